"""An ordinary program of the Python client: typed and dynamic API, watches, patches, apply, YAML files, errors.

Prints a line for each thing that worked and exits with 1 at the first that did not.
"""

import os
import sys
import tempfile
import time

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

NAMESPACE = "python"
LABELS = {"app": "snake"}

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: from-file, namespace: python}
data: {a: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: from-file, namespace: python}
spec: {selector: {app: snake}, ports: [{port: 80}]}
"""


def until(what, done):
    end = time.monotonic() + 60
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"never seen: {what}")
        time.sleep(0.05)


def namespaces(api):
    core = client.CoreV1Api(api)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    assert NAMESPACE in [found.metadata.name for found in core.list_namespace().items]


def deployments(api):
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=LABELS),
        spec=client.V1PodSpec(containers=[client.V1Container(name="main", image="snake:1")]),
    )
    spec = client.V1DeploymentSpec(
        replicas=2, selector=client.V1LabelSelector(match_labels=LABELS), template=template
    )
    apps.create_namespaced_deployment(
        NAMESPACE, client.V1Deployment(metadata=client.V1ObjectMeta(name="snake"), spec=spec)
    )
    for event in watch.Watch().stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=60):
        if event["object"].status.available_replicas == 2:
            break
    else:
        raise AssertionError("the watch ended before two replicas were available")
    pods = core.list_namespaced_pod(NAMESPACE, label_selector="app=snake").items
    assert len(pods) == 2 and all(pod.status.pod_ip for pod in pods), pods
    scaled = apps.patch_namespaced_deployment_scale("snake", NAMESPACE, {"spec": {"replicas": 1}})
    assert scaled.spec.replicas == 1, scaled
    image = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "snake:2"}]}}}}
    patched = apps.patch_namespaced_deployment("snake", NAMESPACE, image)
    assert patched.spec.template.spec.containers[0].image == "snake:2", patched


def files(api):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(MANIFEST)
        file.flush()
        utils.create_from_yaml(api, file.name)
    service = client.CoreV1Api(api).read_namespaced_service("from-file", NAMESPACE)
    assert service.spec.cluster_ip not in (None, "", "None"), service


def dynamic_client(api):
    maps = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    wanted = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "applied", "namespace": NAMESPACE},
        "data": {"a": "1"},
    }
    applied = maps.server_side_apply(body=wanted, namespace=NAMESPACE, field_manager="python")
    assert applied.data["a"] == "1" and applied.metadata.managedFields[0].manager == "python", applied
    try:
        other = {**wanted, "data": {"a": "2"}}
        maps.server_side_apply(body=other, namespace=NAMESPACE, field_manager="other")
        raise AssertionError("another manager should meet a conflict")
    except ApiException as error:
        assert error.status == 409, error
    for event in maps.watch(namespace=NAMESPACE, timeout=30, resource_version="0"):
        if event["object"].metadata.name == "applied":
            break
    maps.delete(name="applied", namespace=NAMESPACE)


def errors(api):
    core = client.CoreV1Api(api)
    try:
        core.read_namespaced_pod("nothing", NAMESPACE)
        raise AssertionError("should not be found")
    except ApiException as error:
        assert error.status == 404 and '"reason":"NotFound"' in error.body, error.body
    made = core.create_namespaced_config_map(
        NAMESPACE, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="stale"))
    )
    made.data = {"a": "1"}
    core.replace_namespaced_config_map("stale", NAMESPACE, made)
    try:
        core.replace_namespaced_config_map("stale", NAMESPACE, made)
        raise AssertionError("should conflict")
    except ApiException as error:
        assert error.status == 409, error


def tokens(api):
    core = client.CoreV1Api(api)
    core.create_namespaced_service_account(
        NAMESPACE, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot"))
    )
    request = client.AuthenticationV1TokenRequest(
        spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600)
    )
    token = core.create_namespaced_service_account_token("robot", NAMESPACE, request).status.token
    review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token))
    status = client.AuthenticationV1Api(api).create_token_review(review).status
    assert status.authenticated and status.user.username == f"system:serviceaccount:{NAMESPACE}:robot", status
    settings = client.Configuration.get_default_copy()
    robot = client.Configuration()
    robot.host, robot.ssl_ca_cert = settings.host, settings.ssl_ca_cert
    robot.api_key = {"authorization": f"Bearer {token}"}
    try:
        client.CoreV1Api(client.ApiClient(robot)).list_namespaced_pod(NAMESPACE)
        raise AssertionError("the robot has no rights")
    except ApiException as error:
        assert error.status == 403, error


def end(api):
    core = client.CoreV1Api(api)
    core.delete_namespace(NAMESPACE)

    def gone():
        try:
            core.read_namespace(NAMESPACE)
            return False
        except ApiException as error:
            return error.status == 404

    until("the namespace goes", gone)


def main():
    config.load_kube_config(os.environ["KUBECONFIG"])
    api = client.ApiClient()
    for step in (namespaces, deployments, files, dynamic_client, errors, tokens, end):
        try:
            step(api)
        except Exception as error:  # whatever it is, the scenario shows it
            print(f"FAILED {step.__name__}: {error!r}")
            sys.exit(1)
        print(f"ok {step.__name__}", flush=True)


main()
