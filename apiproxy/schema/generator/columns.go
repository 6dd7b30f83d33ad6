package main

import (
	"context"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kube-aggregator/pkg/apis/apiregistration"
	apiservices "k8s.io/kube-aggregator/pkg/registry/apiservice/etcd"
	"k8s.io/kubernetes/pkg/printers"
	internalprinters "k8s.io/kubernetes/pkg/printers/internalversion"
)

// column is a printed column; its description is upstream's prose and left out.
type column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Format   string `json:"format,omitempty"`
	Priority int32  `json:"priority,omitempty"`
}

// columnsOf are the columns by internal Go type, as upstream's printers register them.
type columnsOf map[reflect.Type][]metav1.TableColumnDefinition

// TableHandler implements printers.PrintHandler.
func (c columnsOf) TableHandler(columns []metav1.TableColumnDefinition, print any) error {
	c[reflect.TypeOf(print).In(0)] = columns
	return nil
}

var _ printers.PrintHandler = columnsOf{}

func collectColumns() columnsOf {
	all := columnsOf{}
	internalprinters.AddHandlers(all)
	return all
}

func (c columnsOf) columns(gvk schema.GroupVersionKind) []column {
	internal, err := scheme.New(schema.GroupVersionKind{Group: gvk.Group, Version: runtime.APIVersionInternal, Kind: gvk.Kind})
	check(err)
	definitions, known := c[reflect.TypeOf(internal)]
	if !known {
		definitions = convertorColumns(gvk, internal)
	}
	var all []column
	for _, one := range definitions {
		all = append(all, column{one.Name, one.Type, one.Format, one.Priority})
	}
	return all
}

// convertorColumns asks the table convertors of resources that upstream's printers do not know.
func convertorColumns(gvk schema.GroupVersionKind, internal runtime.Object) []metav1.TableColumnDefinition {
	var convertor rest.TableConvertor = rest.NewDefaultTableConvertor(schema.GroupResource{Group: gvk.Group})
	if gvk.Kind == "APIService" {
		convertor, internal = &apiservices.REST{}, &apiregistration.APIService{}
	}
	table, err := convertor.ConvertToTable(context.Background(), internal, nil)
	check(err)
	return table.ColumnDefinitions
}
