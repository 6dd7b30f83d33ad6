package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	discovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// server is what a kube-apiserver with default flags says of itself.
type server struct {
	// groups in discovery order, each with its versions in order of preference; core first.
	groups []discovery.APIGroupDiscovery
	// hashes are the storage version hashes by group, version and resource.
	hashes map[schema.GroupVersionResource]string
}

func readServer(folder string) *server {
	answers := &server{hashes: map[schema.GroupVersionResource]string{}}
	for _, name := range []string{"api.json", "apis.json"} {
		var list discovery.APIGroupDiscoveryList
		readJSON(filepath.Join(folder, name), &list)
		answers.groups = append(answers.groups, list.Items...)
	}
	for _, gv := range answers.groupVersions() {
		var list metav1.APIResourceList
		readJSON(filepath.Join(folder, "resources", fmt.Sprintf("%s_%s.json", gv.Group, gv.Version)), &list)
		for _, resource := range list.APIResources {
			if resource.StorageVersionHash != "" {
				answers.hashes[gv.WithResource(resource.Name)] = resource.StorageVersionHash
			}
		}
	}
	return answers
}

func readJSON(path string, into any) {
	content, err := os.ReadFile(path)
	check(err)
	check(json.Unmarshal(content, into))
}

// groupVersions lists the served versions in discovery order.
func (s *server) groupVersions() []schema.GroupVersion {
	var all []schema.GroupVersion
	for _, group := range s.groups {
		for _, version := range group.Versions {
			all = append(all, schema.GroupVersion{Group: group.Name, Version: version.Version})
		}
	}
	return all
}

// storage finds the stored version of a resource: the hash a server shows covers group, version and kind of it.
func (s *server) storage(gv schema.GroupVersion, resource, kind string) schema.GroupVersion {
	hash, stored := s.hashes[gv.WithResource(resource)]
	if !stored {
		return gv
	}
	candidates := s.groupVersions()
	candidates = append(candidates, scheme.VersionsForGroupKind(schema.GroupKind{Group: gv.Group, Kind: kind})...)
	for _, candidate := range candidates {
		sum := sha256.Sum256([]byte(candidate.Group + "/" + candidate.Version + "/" + kind))
		if base64.StdEncoding.EncodeToString(sum[:8]) == hash {
			return candidate
		}
	}
	check(fmt.Errorf("%s %s: no version has storage hash %s", gv, resource, hash))
	return gv
}
