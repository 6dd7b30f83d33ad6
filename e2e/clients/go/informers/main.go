// Command informers is an ordinary client-go program: typed clients that speak protobuf, shared informers, leader
// election, apply, scale, paging, a retrying watch, dynamic and metadata informers. It prints a line for each thing
// that worked and exits with 1 at the first that did not.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const namespace = "clients"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	check("kubeconfig", err)
	config.QPS, config.Burst = 200, 400

	binary := rest.CopyConfig(config)
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	binary.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	typed := kubernetes.NewForConfigOrDie(binary)

	check("namespace", makeNamespace(ctx, typed))
	check("leader election", elect(ctx, typed))
	check("informers", informers(ctx, typed))
	check("apply and scale", applyAndScale(ctx, typed))
	check("paging", paging(ctx, typed))
	check("retrying watch", retryingWatch(ctx, typed))
	check("errors", errorsAreTyped(ctx, typed))
	check("access reviews", reviews(ctx, typed))
	check("custom resources", customResources(ctx, config))
	check("metadata informer", metadataInformer(ctx, config))
	check("discovery", discover(config))
	check("delete", removeNamespace(ctx, typed))
}

func check(step string, err error) {
	if err != nil {
		fmt.Printf("FAILED %s: %v\n", step, err)
		os.Exit(1)
	}
	fmt.Printf("ok %s\n", step)
}

// until polls: the only way to wait where no informer tells.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	for {
		ok, err := done()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
