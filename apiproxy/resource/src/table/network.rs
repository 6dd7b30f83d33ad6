//! Rows of services, endpoints, ingresses and policies.

use serde_json::Value;

use super::{Print, or, some_of};
use crate::json::{at, dig, int, list, opt_text, set, size, text, texts};
use crate::scale::selector_text;

/// A row of a networking kind.
pub(super) fn row(plural: &str, print: &Print<'_>) -> Option<Vec<Value>> {
    let spec = print.spec();
    let mut cells = vec![print.name()];
    match plural {
        "services" => cells.extend(service(print)),
        "endpoints" => cells.extend([or(&endpoints(print.obj), "<none>"), print.age()]),
        "endpointslices" => {
            let ports: Vec<String> = list(print.obj, "ports").iter().map(slice_port).collect();
            let addresses: Vec<String> = list(print.obj, "endpoints")
                .iter()
                .flat_map(|endpoint| texts(endpoint, "addresses"))
                .map(str::to_owned)
                .collect();
            cells.push(text(print.obj, "addressType").into());
            cells.push(or(&some_of(&ports, 3, ","), "<unset>"));
            cells.push(or(&some_of(&addresses, 3, ","), "<unset>"));
            cells.push(print.age());
        }
        "ingresses" => cells.extend([
            opt_text(spec, "ingressClassName").unwrap_or("<none>").into(),
            hosts(spec).into(),
            balancer(print.status()).into(),
            if size(spec, "tls") > 0 { "80, 443".into() } else { "80".into() },
            print.age(),
        ]),
        "ingressclasses" => {
            mark_default(&mut cells, print, "ingressclass.kubernetes.io/is-default-class");
            let parameters = set(spec, "parameters").map_or("<none>".to_owned(), |parameters| {
                let group = opt_text(parameters, "apiGroup").map_or(String::new(), |group| format!(".{group}"));
                format!("{}{group}/{}", text(parameters, "kind"), text(parameters, "name"))
            });
            cells.extend([text(spec, "controller").into(), parameters.into(), print.age()]);
        }
        "networkpolicies" => {
            cells.extend([or(&selector_text(at(spec, "podSelector")), "<none>"), print.age()]);
        }
        "servicecidrs" => cells.extend([texts(spec, "cidrs").join(",").into(), print.age()]),
        "ipaddresses" => {
            let parent = set(spec, "parentRef").map_or("<none>".to_owned(), |parent| {
                let group = text(parent, "group");
                let dot = if group.is_empty() { "" } else { "." };
                let mut name = format!("{}{dot}{group}", text(parent, "resource")).to_lowercase();
                for part in ["namespace", "name"].map(|field| text(parent, field)) {
                    if !part.is_empty() {
                        name = format!("{name}/{part}");
                    }
                }
                name
            });
            cells.extend([parent.into(), print.age()]);
        }
        _ => return None,
    }
    Some(cells)
}

/// Appends ` (default)` to the name of a class that is the default one.
pub(super) fn mark_default(cells: &mut [Value], print: &Print<'_>, annotation: &str) {
    let annotations = dig(print.obj, "metadata.annotations");
    if annotations.get(annotation).and_then(Value::as_str) == Some("true")
        && let Some(name) = cells.first_mut()
    {
        *name = format!("{} (default)", name.as_str().unwrap_or("")).into();
    }
}

fn service(print: &Print<'_>) -> Vec<Value> {
    let spec = print.spec();
    let ports: Vec<String> = list(spec, "ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (int(port, "port").unwrap_or(0), text(port, "protocol"));
            match int(port, "nodePort") {
                Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
                _ => format!("{number}/{protocol}"),
            }
        })
        .collect();
    vec![
        text(spec, "type").into(),
        texts(spec, "clusterIPs").first().copied().unwrap_or("<none>").into(),
        external(spec, print.status()).into(),
        or(&ports.join(","), "<none>"),
        print.age(),
        or(&selector_text(at(spec, "selector")), "<none>"),
    ]
}

fn external(spec: &Value, status: &Value) -> String {
    let own = texts(spec, "externalIPs").join(",");
    match text(spec, "type") {
        "ClusterIP" | "NodePort" if own.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => own,
        "LoadBalancer" => match (balancer(status), own) {
            (given, own) if given.is_empty() && own.is_empty() => "<pending>".to_owned(),
            (given, own) if own.is_empty() => given,
            (given, own) if given.is_empty() => own,
            (given, own) => format!("{given},{own}"),
        },
        "ExternalName" => text(spec, "externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Addresses a load balancer gave, sorted.
fn balancer(status: &Value) -> String {
    let mut found: Vec<&str> = list(at(status, "loadBalancer"), "ingress")
        .iter()
        .map(|ingress| if text(ingress, "ip").is_empty() { text(ingress, "hostname") } else { text(ingress, "ip") })
        .filter(|address| !address.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    found.join(",")
}

fn hosts(spec: &Value) -> String {
    let rules = list(spec, "rules");
    let (mut shown, mut more) = (Vec::new(), false);
    for rule in rules {
        more |= shown.len() == 3;
        if !more && !text(rule, "host").is_empty() {
            shown.push(text(rule, "host"));
        }
    }
    match shown.join(",") {
        hosts if hosts.is_empty() => "*".to_owned(),
        hosts if more => format!("{hosts} + {} more...", rules.len() - 3),
        hosts => hosts,
    }
}

/// How many addresses a row shows.
const SHOWN: usize = 3;

fn endpoints(obj: &Value) -> String {
    // Ports times addresses can be very many: only what is shown is written.
    let (mut found, mut count): (Vec<String>, usize) = (Vec::new(), 0);
    for subset in list(obj, "subsets") {
        let addresses = list(subset, "addresses").iter().map(|address| text(address, "ip"));
        let total = size(subset, "addresses");
        if size(subset, "ports") == 0 {
            count = count.saturating_add(total);
            found.extend(addresses.take(SHOWN - found.len()).map(str::to_owned));
            continue;
        }
        for port in list(subset, "ports") {
            let number = int(port, "port").unwrap_or(0);
            let join = |ip: &str| if ip.contains(':') { format!("[{ip}]:{number}") } else { format!("{ip}:{number}") };
            count = count.saturating_add(total);
            found.extend(addresses.clone().take(SHOWN - found.len()).map(join));
        }
    }
    let shown = found.join(",");
    if count > SHOWN { format!("{shown} + {} more...", count - SHOWN) } else { shown }
}

fn slice_port(port: &Value) -> String {
    match (int(port, "port"), opt_text(port, "name")) {
        (Some(number), _) => number.to_string(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => "*".to_owned(),
    }
}
