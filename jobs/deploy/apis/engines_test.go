package apis

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/batch/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// definition has the keys of RegisterJobDefinition that aws-batch.json may have.
type definition struct {
	JobDefinitionName    string                     `json:"jobDefinitionName"`
	Type                 types.JobDefinitionType    `json:"type"`
	PlatformCapabilities []types.PlatformCapability `json:"platformCapabilities"`
	ContainerProperties  types.ContainerProperties  `json:"containerProperties"`
	RetryStrategy        types.RetryStrategy        `json:"retryStrategy"`
	Timeout              types.JobTimeout           `json:"timeout"`
}

func TestBatch(t *testing.T) {
	var d definition
	text := read(t, "aws-batch.json")
	strictly(t, text, &d)
	var keys any
	if err := yaml.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	camel(t, keys)
	if !slices.Contains(d.Type.Values(), d.Type) || !slices.Contains(d.PlatformCapabilities[0].Values(), d.PlatformCapabilities[0]) {
		t.Errorf("type %q, platforms %q", d.Type, d.PlatformCapabilities)
	}
	for _, r := range d.ContainerProperties.ResourceRequirements {
		if !slices.Contains(r.Type.Values(), r.Type) {
			t.Errorf("a resource is %q", r.Type)
		}
	}
	mounts, volumes := d.ContainerProperties.MountPoints, d.ContainerProperties.Volumes
	if len(mounts) != 1 || len(volumes) != 1 || *mounts[0].SourceVolume != *volumes[0].Name ||
		!slices.Contains(types.EFSTransitEncryption("").Values(), volumes[0].EfsVolumeConfiguration.TransitEncryption) {
		t.Errorf("mounts %v of %v", mounts, volumes)
	}
	rules := d.RetryStrategy.EvaluateOnExit
	if attempts := *d.RetryStrategy.Attempts; attempts < 1 || attempts > 10 || len(rules) > 5 {
		t.Errorf("AWS allows 10 attempts and 5 rules, there are %d and %d", attempts, len(rules))
	}
	for _, r := range rules {
		if r.OnExitCode != nil && strings.Trim(strings.TrimSuffix(*r.OnExitCode, "*"), "0123456789") != "" {
			t.Errorf("a code is %q: AWS allows digits and a * at the end", *r.OnExitCode)
		}
		if !slices.Contains(r.Action.Values(), r.Action) {
			t.Errorf("an action is %q", r.Action)
		}
	}
	if *d.Timeout.AttemptDurationSeconds < 60 {
		t.Error("AWS allows no timeout below 60 s")
	}
}

// camel checks that keys begin with a small letter, as the API has them: Go takes any case.
func camel(t *testing.T, value any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if key[:1] != strings.ToLower(key[:1]) {
				t.Errorf("the key %q begins with a capital", key)
			}
			camel(t, inner)
		}
	case []any:
		for _, inner := range v {
			camel(t, inner)
		}
	}
}

// cloudJob has the keys of run.googleapis.com/v1 that cloud-run.yaml may have; its container and volumes are those of core/v1.
type cloudJob struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		Template struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
			Spec     struct {
				TaskCount   int64 `json:"taskCount"`
				Parallelism int64 `json:"parallelism"`
				Template    struct {
					Spec struct {
						MaxRetries         int64              `json:"maxRetries"`
						TimeoutSeconds     int64              `json:"timeoutSeconds,string"`
						ServiceAccountName string             `json:"serviceAccountName"`
						Containers         []corev1.Container `json:"containers"`
						Volumes            []corev1.Volume    `json:"volumes"`
					} `json:"spec"`
				} `json:"template"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

func TestCloudRun(t *testing.T) {
	var job cloudJob
	strictly(t, read(t, "cloud-run.yaml"), &job)
	if want := (metav1.TypeMeta{APIVersion: "run.googleapis.com/v1", Kind: "Job"}); !reflect.DeepEqual(job.TypeMeta, want) {
		t.Errorf("it is %v", job.TypeMeta)
	}
	spec := job.Spec.Template.Spec
	task := spec.Template.Spec
	if spec.TaskCount < 1 || spec.TaskCount > 10000 || spec.Parallelism > spec.TaskCount || task.MaxRetries < 1 || task.MaxRetries > 10 ||
		task.TimeoutSeconds < 1 || task.TimeoutSeconds > 7*24*3600 {
		t.Errorf("%d tasks, %d at once, %d retries, %d s: Cloud Run has 10,000 tasks, 10 retries and 7 days", spec.TaskCount, spec.Parallelism, task.MaxRetries, task.TimeoutSeconds)
	}
	if len(task.Containers) != 1 || len(task.Volumes) != 1 || task.Volumes[0].NFS == nil || task.Containers[0].VolumeMounts[0].Name != task.Volumes[0].Name {
		t.Errorf("containers %v, volumes %v", task.Containers, task.Volumes)
	}
}
