package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// elect lets two candidates compete for one Lease: one leads, and when it resigns the other follows.
func elect(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	led := make(chan string, 2)
	first, resign := context.WithCancel(ctx)
	defer resign()
	go candidate(first, client, "first", led)
	if name, err := next(ctx, led); err != nil || name != "first" {
		return fmt.Errorf("the only candidate should lead, %q does: %v", name, err)
	}
	go candidate(ctx, client, "second", led)
	resign()
	if name, err := next(ctx, led); err != nil || name != "second" {
		return fmt.Errorf("the second candidate should follow, %q does: %v", name, err)
	}
	lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, "leader", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != "second" || *lease.Spec.LeaseTransitions < 1 {
		return fmt.Errorf("unexpected lease %+v", lease.Spec)
	}
	return nil
}

func next(ctx context.Context, led <-chan string) (string, error) {
	select {
	case name := <-led:
		return name, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func candidate(ctx context.Context, client kubernetes.Interface, name string, led chan<- string) {
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: "leader"},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		},
		ReleaseOnCancel: true,
		LeaseDuration:   3 * time.Second,
		RenewDeadline:   2 * time.Second,
		RetryPeriod:     200 * time.Millisecond,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { led <- name },
			OnStoppedLeading: func() {},
		},
	})
}
