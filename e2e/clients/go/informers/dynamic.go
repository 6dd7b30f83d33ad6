package main

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

var lamps = schema.GroupVersionResource{Group: "clients.example.com", Version: "v1", Resource: "lamps"}

// customResources defines a kind, waits for it, and follows one object of it through a dynamic informer.
func customResources(ctx context.Context, config *rest.Config) error {
	binary := rest.CopyConfig(config)
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	definitions := apiextensions.NewForConfigOrDie(binary).ApiextensionsV1().CustomResourceDefinitions()
	preserve := true
	wanted := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "lamps.clients.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: lamps.Group,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "lamps", Kind: "Lamp"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{
					Status: &apiextensionsv1.CustomResourceSubresourceStatus{},
				},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object",
					Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"spec": {Type: "object", XPreserveUnknownFields: &preserve},
						"status": {Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
							"lit": {Type: "boolean", Default: &apiextensionsv1.JSON{Raw: []byte("false")}},
						}},
					},
				}},
			}},
		},
	}
	if _, err := definitions.Create(ctx, wanted, metav1.CreateOptions{}); err != nil {
		return err
	}
	err := until(ctx, "the kind is served", func() (bool, error) {
		found, err := definitions.Get(ctx, wanted.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range found.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	return followLamp(ctx, dynamic.NewForConfigOrDie(config))
}

func followLamp(ctx context.Context, client dynamic.Interface) error {
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	informer := factory.ForResource(lamps)
	informer.Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	lamp := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "clients.example.com/v1", "kind": "Lamp",
		"metadata": map[string]any{"name": "desk"},
		"spec":     map[string]any{"watts": int64(7)},
	}}
	made, err := client.Resource(lamps).Namespace(namespace).Create(ctx, lamp, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Object["status"] = map[string]any{"lit": true}
	if _, err := client.Resource(lamps).Namespace(namespace).UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return until(ctx, "the lamp is lit in the cache", func() (bool, error) {
		object, err := informer.Lister().ByNamespace(namespace).Get("desk")
		if err != nil {
			return false, nil
		}
		lit, _, err := unstructured.NestedBool(object.(*unstructured.Unstructured).Object, "status", "lit")
		return lit, err
	})
}

// metadataInformer follows metadata alone, as garbage collectors and autoscalers do.
func metadataInformer(ctx context.Context, config *rest.Config) error {
	factory := metadatainformer.NewSharedInformerFactory(metadata.NewForConfigOrDie(config), 0)
	deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	informer := factory.ForResource(deployments)
	informer.Informer()
	factory.Start(ctx.Done())
	if synced := factory.WaitForCacheSync(ctx.Done()); !synced[deployments] {
		return fmt.Errorf("the cache is not in sync")
	}
	object, err := informer.Lister().ByNamespace(namespace).Get("applied")
	if err != nil {
		return err
	}
	found := object.(*metav1.PartialObjectMetadata)
	if found.UID == "" || len(found.ManagedFields) == 0 {
		return fmt.Errorf("half the metadata: %v", found)
	}
	return nil
}

func discover(config *rest.Config) error {
	client := discovery.NewDiscoveryClientForConfigOrDie(config)
	groups, err := restmapper.GetAPIGroupResources(client)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for kind, resource := range map[string]string{"Lamp": "lamps", "Deployment": "deployments", "Lease": "leases"} {
		group := map[string]string{"Lamp": lamps.Group, "Deployment": "apps", "Lease": "coordination.k8s.io"}[kind]
		mapping, err := mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind})
		if err != nil || mapping.Resource.Resource != resource {
			return fmt.Errorf("%s: %v", kind, err)
		}
	}
	document, err := client.OpenAPISchema()
	if err != nil {
		return fmt.Errorf("OpenAPI v2: %w", err)
	}
	if len(document.GetDefinitions().GetAdditionalProperties()) < 300 {
		return fmt.Errorf("OpenAPI v2 has %d definitions", len(document.GetDefinitions().GetAdditionalProperties()))
	}
	paths, err := client.OpenAPIV3().Paths()
	if err != nil || paths["apis/apps/v1"] == nil {
		return fmt.Errorf("OpenAPI v3: %v", err)
	}
	version, err := client.ServerVersion()
	if err != nil || version.Major != "1" {
		return fmt.Errorf("version %v: %v", version, err)
	}
	return nil
}
