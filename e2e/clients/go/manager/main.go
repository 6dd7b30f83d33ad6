// Command manager is an ordinary controller-runtime program: a manager with leader election, a cache with an index, and
// a controller that keeps a ConfigMap for each object of a custom kind, with owner reference, finalizer, status,
// events and server-side apply. It makes an object, waits for what the controller does, and exits with 1 when
// something does not come.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	applymeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	finalizer = "clients.example.com/shelf"
	namespace = "default"
)

var shelfKind = schema.GroupVersionKind{Group: "clients.example.com", Version: "v1", Kind: "Shelf"}

func newShelf() *unstructured.Unstructured {
	shelf := &unstructured.Unstructured{}
	shelf.SetGroupVersionKind(shelfKind)
	return shelf
}

type reconciler struct {
	client.Client
	recorder events.EventRecorder
}

// Reconcile keeps the ConfigMap of one Shelf.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	shelf := newShelf()
	if err := r.Get(ctx, request.NamespacedName, shelf); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !shelf.GetDeletionTimestamp().IsZero() {
		if controllerutil.RemoveFinalizer(shelf, finalizer) {
			return ctrl.Result{}, r.Update(ctx, shelf)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(shelf, finalizer) {
		return ctrl.Result{}, r.Update(ctx, shelf)
	}
	size, _, err := unstructured.NestedInt64(shelf.Object, "spec", "size")
	if err != nil {
		return ctrl.Result{}, err
	}
	controller, block := true, true
	wanted := applycore.ConfigMap(shelf.GetName(), shelf.GetNamespace()).
		WithLabels(map[string]string{"shelf": shelf.GetName()}).
		WithData(map[string]string{"size": fmt.Sprint(size)}).
		WithOwnerReferences(&applymeta.OwnerReferenceApplyConfiguration{
			APIVersion: ptr(shelf.GetAPIVersion()), Kind: ptr(shelf.GetKind()), Name: ptr(shelf.GetName()),
			UID: ptr(shelf.GetUID()), Controller: &controller, BlockOwnerDeletion: &block,
		})
	if err := r.Apply(ctx, wanted, client.FieldOwner("shelf"), client.ForceOwnership); err != nil {
		return ctrl.Result{}, err
	}
	if held, _, _ := unstructured.NestedInt64(shelf.Object, "status", "size"); held != size {
		base := shelf.DeepCopy()
		if err := unstructured.SetNestedField(shelf.Object, size, "status", "size"); err != nil {
			return ctrl.Result{}, err
		}
		if err := r.Status().Patch(ctx, shelf, client.MergeFrom(base)); err != nil {
			return ctrl.Result{}, err
		}
		r.recorder.Eventf(shelf, nil, corev1.EventTypeNormal, "Filled", "Fill", "holds %d", size)
	}
	return ctrl.Result{}, nil
}

func ptr[T any](value T) *T { return &value }

func main() {
	log.SetLogger(zap.New())
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "shelves.clients.example.com",
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	check("manager", err)
	check("index", manager.GetFieldIndexer().IndexField(ctx, &corev1.ConfigMap{}, "data.size",
		func(object client.Object) []string { return []string{object.(*corev1.ConfigMap).Data["size"]} }))
	check("controller", ctrl.NewControllerManagedBy(manager).For(newShelf()).Owns(&corev1.ConfigMap{}).
		Complete(&reconciler{Client: manager.GetClient(), recorder: manager.GetEventRecorder("shelves")}))
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(running) }()
	check("shelf", follow(ctx, manager))
	stop()
	check("stop", <-ended)
}

func check(step string, err error) {
	if err != nil {
		fmt.Printf("FAILED %s: %v\n", step, err)
		os.Exit(1)
	}
	fmt.Printf("ok %s\n", step)
}

// follow makes a Shelf and watches the controller at work: the ConfigMap comes, comes back after a deletion, follows a
// change, and goes with its owner.
func follow(ctx context.Context, manager ctrl.Manager) error {
	api := manager.GetClient()
	shelf := newShelf()
	shelf.SetNamespace(namespace)
	shelf.SetName("books")
	shelf.Object["spec"] = map[string]any{"size": int64(3)}
	if err := api.Create(ctx, shelf); err != nil {
		return err
	}
	key := client.ObjectKeyFromObject(shelf)
	first := &corev1.ConfigMap{}
	if err := eventually(ctx, "the ConfigMap comes", func() bool { return api.Get(ctx, key, first) == nil }); err != nil {
		return err
	}
	if err := api.Delete(ctx, first); err != nil {
		return err
	}
	again := &corev1.ConfigMap{}
	err := eventually(ctx, "the ConfigMap comes back", func() bool {
		return api.Get(ctx, key, again) == nil && again.UID != first.UID
	})
	if err != nil {
		return err
	}
	err = eventually(ctx, "the status follows", func() bool {
		held, _, _ := unstructured.NestedInt64(shelf.Object, "status", "size")
		return api.Get(ctx, key, shelf) == nil && held == 3
	})
	if err != nil {
		return err
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"size":5}}`))
	if err := api.Patch(ctx, shelf, patch); err != nil {
		return err
	}
	err = eventually(ctx, "the index finds the change", func() bool {
		var found corev1.ConfigMapList
		err := api.List(ctx, &found, client.InNamespace(namespace), client.MatchingFields{"data.size": "5"})
		return err == nil && len(found.Items) == 1
	})
	if err != nil {
		return err
	}
	if err := api.Delete(ctx, shelf, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		return err
	}
	return eventually(ctx, "both go", func() bool {
		return apierrors.IsNotFound(manager.GetAPIReader().Get(ctx, key, shelf)) &&
			apierrors.IsNotFound(manager.GetAPIReader().Get(ctx, key, again))
	})
}

func eventually(ctx context.Context, what string, done func() bool) error {
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
