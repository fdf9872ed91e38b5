package run

import (
	"reflect"
	"testing"

	"graphscore/pipeline/display"
)

// fill sets every field that can be set, with one element in each list and map.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.String:
		v.SetString("text <&>")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.1)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	}
}

// A plan with a value in each of its fields is decoded file by file.
func TestPlanFileDecodedWithEveryField(t *testing.T) {
	t.Parallel()
	p, got := &PlanFile{}, &PlanFile{}
	fill(reflect.ValueOf(p).Elem())
	whole, err := display.CompactJSON(p)
	if err != nil {
		t.Fatal(err)
	}
	if !got.decode(whole) || !reflect.DeepEqual(got, p) {
		t.Errorf("decoded %+v of %s", got, whole)
	}
}
