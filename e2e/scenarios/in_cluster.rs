//! A program in a pod and the API of its tenant: what the pod is given opens the tenant's API, and nothing else.
//!
//! Pods of the harness have no processes, so the test takes from the twin what the pod would find in its files and
//! environment, and uses it from outside.

use std::net::{IpAddr, UdpSocket};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::{Kubectl, Scenario, eventually};
use serde_json::{Value, json};

use crate::fixtures::deploy_shop;

/// An address of this machine that is not loopback (which endpoints must not have): the one it would dial out from.
fn address() -> IpAddr {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    // Documentation addresses: nothing is sent by connecting a UDP socket.
    socket.connect(("192.0.2.1", 9)).expect("a route to somewhere");
    socket.local_addr().unwrap().ip()
}

#[test]
fn a_pod_reaches_the_api_of_its_tenant() {
    let address = address();
    let scenario = Scenario::start_with("in-cluster", &[format!("--advertise-address={address}")]);
    let acme = scenario.tenant("acme");
    deploy_shop(&acme);
    eventually("the condition says that pods reach the API", || {
        let tenant = scenario.rowhouse.tenantctl("get acme").result().map_err(|failed| failed.to_string())?;
        let line = tenant.lines().find(|line| line.starts_with("APIReachableFromPods")).unwrap_or_default();
        if line.contains("True") { Ok(()) } else { Err(tenant.clone()) }
    });

    let host = scenario.host.kubectl();
    let twin = host.json("get pods -n rowhouse-acme -l app=web")["items"][0].clone();
    let environment = |name: &str| {
        let variables = twin["spec"]["containers"][0]["env"].as_array().unwrap();
        let variable = variables.iter().find(|variable| variable["name"] == name).cloned().unwrap_or_default();
        variable["value"].as_str().unwrap_or_default().to_owned()
    };
    let service = host.json("get services -n rowhouse-acme");
    let service_address = environment("KUBERNETES_SERVICE_HOST");
    let service = service["items"].as_array().unwrap().iter().find(|one| one["spec"]["clusterIP"] == *service_address);
    let service = service.expect("KUBERNETES_SERVICE_HOST is the ClusterIP of a Service of the tenant").clone();
    let name = service["metadata"]["name"].as_str().unwrap();
    let slices = host.json(&format!("get endpointslices -n rowhouse-acme -l kubernetes.io/service-name={name}"));
    let slice = &slices["items"][0];
    assert_eq!(slice["endpoints"][0]["addresses"][0], address.to_string());

    let (token, authority) = mounted(&scenario, &twin);
    let server = format!("https://{address}:{}", slice["ports"][0]["port"]);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "pod",
        "clusters": [{"name": "pod", "cluster": {
            "server": server, "certificate-authority-data": STANDARD.encode(&authority),
            // The pod dials the ClusterIP; the certificate must be good for it.
            "tls-server-name": service_address,
        }}],
        "users": [{"name": "pod", "user": {"token": token}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
    });
    let pod = scenario.kubectl_with("pod", &config.to_string());
    let who = pod.run("auth whoami").ok();
    assert!(who.contains("system:serviceaccount:shop:default"), "{who}");
    assert!(pod.run("get pods -n shop").fails().contains("Forbidden"));
    acme.run("create rolebinding view -n shop --clusterrole=view --serviceaccount=shop:default").ok();
    assert!(pod.run("get pods -n shop").ok().contains("web-"));

    let port = slice["ports"].as_array().unwrap().iter().find(|port| port["name"] == "dns").unwrap()["port"].clone();
    names(&twin, &acme, &service_address, (address, u16::try_from(port.as_u64().unwrap()).unwrap()));

    // The host does not know the token.
    let stranger = host.args(&[
        "auth",
        "whoami",
        "--token",
        &token,
        "--kubeconfig",
        "/dev/null",
        "--server",
        &host_server(&scenario),
        "--insecure-skip-tls-verify",
    ]);
    assert!(stranger.code != Some(0), "{stranger}");
}

/// The pod asks its tenant's DNS, which knows the services it sees.
fn names(twin: &Value, acme: &Kubectl, service_address: &str, server: (IpAddr, u16)) {
    assert_eq!(twin["spec"]["dnsPolicy"], "None");
    let searches = json!(["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
    let expected = json!({ "nameservers": [service_address], "searches": searches, "options": [{ "name": "ndots", "value": "5" }] });
    assert_eq!(twin["spec"]["dnsConfig"], expected);
    let address: std::net::Ipv4Addr =
        acme.run("get service web -n shop -o jsonpath={.spec.clusterIP}").ok().parse().unwrap();
    let socket = UdpSocket::bind((server.0, 0)).unwrap();
    socket.connect(server).unwrap();
    let question =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x04shop\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01";
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    eventually("the name of a service has its address", || {
        socket.send(question).map_err(|error| error.to_string())?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).map_err(|error| error.to_string())?;
        if answer[..length].ends_with(&address.octets()) { Ok(()) } else { Err(format!("{:?}", &answer[..length])) }
    });
}

/// Token and authority that the pod finds in `/var/run/secrets/kubernetes.io/serviceaccount`.
fn mounted(scenario: &Scenario, twin: &Value) -> (String, String) {
    let volumes = twin["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"].as_str().unwrap().starts_with("kube-api-access")).unwrap();
    let sources = volume["projected"]["sources"].as_array().unwrap();
    let item = |kind: &str, path: &str| {
        let holds = |source: &&Value| {
            source[kind]["items"].as_array().is_some_and(|items| items.iter().any(|item| item["path"] == path))
        };
        let source = sources.iter().find(holds).unwrap_or_else(|| panic!("no {path} in {volume:#}"));
        let key =
            source[kind]["items"].as_array().unwrap().iter().find(|item| item["path"] == path).unwrap()["key"].clone();
        (source[kind]["name"].as_str().unwrap().to_owned(), key.as_str().unwrap().to_owned())
    };
    let host = scenario.host.kubectl();
    let (secret, key) = item("secret", "token");
    let secret = host.json(&format!("get secret {secret} -n rowhouse-acme"));
    let token = STANDARD.decode(secret["data"][&key].as_str().unwrap()).unwrap();
    let (map, key) = item("configMap", "ca.crt");
    let map = host.json(&format!("get configmap {map} -n rowhouse-acme"));
    (String::from_utf8(token).unwrap(), map["data"][&key].as_str().unwrap().to_owned())
}

fn host_server(scenario: &Scenario) -> String {
    let config = scenario.host.kubectl().json("config view --minify");
    config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned()
}
