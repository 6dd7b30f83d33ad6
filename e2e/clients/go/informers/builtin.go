package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	applyapps "k8s.io/client-go/applyconfigurations/apps/v1"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	applymeta "k8s.io/client-go/applyconfigurations/meta/v1"
	clientinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/util/retry"
)

var selector = map[string]string{"app": "reader"}

func makeNamespace(ctx context.Context, client kubernetes.Interface) error {
	wanted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	_, err := client.CoreV1().Namespaces().Create(ctx, wanted, metav1.CreateOptions{FieldManager: "clients"})
	return err
}

func removeNamespace(ctx context.Context, client kubernetes.Interface) error {
	if err := client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return until(ctx, "the namespace goes", func() (bool, error) {
		_, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

func deployment(replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "reader", Labels: selector},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: selector},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "reader:1"}}},
			},
		},
	}
}

// informers follows a Deployment to its ready pods through shared informers alone.
func informers(ctx context.Context, client kubernetes.Interface) error {
	factory := clientinformers.NewSharedInformerFactoryWithOptions(client, 0,
		clientinformers.WithNamespace(namespace))
	deployments, pods := factory.Apps().V1().Deployments(), factory.Core().V1().Pods()
	seen := make(chan string, 1000)
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { seen <- "add" },
		UpdateFunc: func(any, any) { seen <- "update" },
		DeleteFunc: func(any) { seen <- "delete" },
	})
	if err != nil {
		return err
	}
	deployments.Informer()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("the cache of %v is not in sync", kind)
		}
	}
	_, err = client.AppsV1().Deployments(namespace).Create(ctx, deployment(2), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	err = until(ctx, "two replicas are available in the cache", func() (bool, error) {
		found, err := deployments.Lister().Deployments(namespace).Get("reader")
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil && found.Status.AvailableReplicas == 2, err
	})
	if err != nil {
		return err
	}
	found, err := pods.Lister().Pods(namespace).List(labels.SelectorFromSet(selector))
	if err != nil || len(found) != 2 {
		return fmt.Errorf("%d pods in the cache: %v", len(found), err)
	}
	for _, pod := range found {
		if pod.Spec.NodeName == "" || pod.Status.PodIP == "" || len(pod.Spec.Containers) != 1 {
			return fmt.Errorf("half a pod in the cache: %v", pod)
		}
	}
	if err := client.CoreV1().Pods(namespace).Delete(ctx, found[0].Name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	for {
		event, err := next(ctx, seen)
		if err != nil || event == "delete" {
			return err
		}
	}
}

func applyAndScale(ctx context.Context, client kubernetes.Interface) error {
	deployments := client.AppsV1().Deployments(namespace)
	wanted := applyapps.Deployment("applied", namespace).WithSpec(applyapps.DeploymentSpec().
		WithReplicas(1).
		WithSelector(applymeta.LabelSelector().WithMatchLabels(selector)).
		WithTemplate(applycore.PodTemplateSpec().WithLabels(selector).WithSpec(applycore.PodSpec().
			WithContainers(applycore.Container().WithName("main").WithImage("applied:1")))))
	if _, err := deployments.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		return err
	}
	wanted.Spec.WithReplicas(3)
	_, err := deployments.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "two"})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("another manager should meet a conflict, met %v", err)
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale, err := deployments.GetScale(ctx, "applied", metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = 2
		_, err = deployments.UpdateScale(ctx, "applied", scale, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	extracted, err := deployments.Get(ctx, "applied", metav1.GetOptions{})
	if err != nil || *extracted.Spec.Replicas != 2 {
		return fmt.Errorf("scaled to 2, is %v: %v", extracted.Spec.Replicas, err)
	}
	own, err := applyapps.ExtractDeployment(extracted, "one")
	if err != nil || own.Spec == nil || own.Spec.Replicas != nil {
		return fmt.Errorf("the first manager should have lost the replicas: %+v, %v", own.Spec, err)
	}
	patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"applied:2"}]}}}}`)
	patched, err := deployments.Patch(ctx, "applied", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil || patched.Spec.Template.Spec.Containers[0].Image != "applied:2" {
		return fmt.Errorf("strategic merge patch: %v", err)
	}
	return nil
}

func paging(ctx context.Context, client kubernetes.Interface) error {
	for i := range 25 {
		name := fmt.Sprintf("page-%02d", i)
		object := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"set": "pages"}},
			Data:       map[string]string{"name": name},
			BinaryData: map[string][]byte{"raw": {0, 255, byte(i)}},
		}
		if _, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return client.CoreV1().ConfigMaps(namespace).List(ctx, options)
	})
	pages.PageSize = 10
	var names []string
	err := pages.EachListItem(ctx, metav1.ListOptions{LabelSelector: "set=pages"}, func(object runtime.Object) error {
		found := object.(*corev1.ConfigMap)
		if found.Data["name"] != found.Name || len(found.BinaryData["raw"]) != 3 {
			return fmt.Errorf("half a ConfigMap: %v", found)
		}
		names = append(names, found.Name)
		return nil
	})
	if err != nil || len(names) != 25 || names[0] != "page-00" || names[24] != "page-24" {
		return fmt.Errorf("%v: %v", names, err)
	}
	return client.CoreV1().ConfigMaps(namespace).DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: "set=pages"})
}

func retryingWatch(ctx context.Context, client kubernetes.Interface) error {
	list, err := client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
			// Ends soon, so that the watcher has to resume.
			timeout := int64(1)
			options.TimeoutSeconds = &timeout
			return client.CoreV1().Secrets(namespace).Watch(ctx, options)
		},
	})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for i := range 3 {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("watched-%d", i)},
			StringData: map[string]string{"key": "value"},
		}
		if _, err := client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return err
		}
		select {
		case event := <-watcher.ResultChan():
			found, ok := event.Object.(*corev1.Secret)
			if !ok || event.Type != watch.Added || found.Name != secret.Name || string(found.Data["key"]) != "value" {
				return fmt.Errorf("unexpected event %v %v", event.Type, event.Object)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		// Long enough for the watch to be cut.
		time.Sleep(700 * time.Millisecond)
	}
	return nil
}

func errorsAreTyped(ctx context.Context, client kubernetes.Interface) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	if _, err := maps.Get(ctx, "nothing", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("should not be found: %v", err)
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "twice"}}
	made, err := maps.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if _, err := maps.Create(ctx, object, metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("should exist already: %v", err)
	}
	made.Data = map[string]string{"a": "1"}
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("should conflict: %v", err)
	}
	bad := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "No_Name"}}
	_, err = maps.Create(ctx, bad, metav1.CreateOptions{})
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details.Causes[0].Field != "metadata.name" {
		return fmt.Errorf("should be invalid: %v", err)
	}
	return nil
}

func reviews(ctx context.Context, client kubernetes.Interface) error {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "delete", Resource: "nodes"},
	}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil || !answer.Status.Allowed {
		return fmt.Errorf("the administrator may: %+v, %v", answer, err)
	}
	other := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               "somebody",
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets"},
	}}
	denied, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, other, metav1.CreateOptions{})
	if err != nil || denied.Status.Allowed {
		return fmt.Errorf("somebody may not: %+v, %v", denied, err)
	}
	return nil
}
