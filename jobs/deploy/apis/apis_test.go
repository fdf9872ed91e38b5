// Package apis reads the files of jobs/deploy for other engines as those engines do: strictly, and by Kubernetes' own
// rules. It is a module of its own, as the program needs none of these libraries.
package apis

import (
	"os"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	"k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// strictly decodes YAML or JSON: an unknown or repeated key ends the test.
func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatal(err)
	}
}

// validate returns what an API server says of a Job, with what it fills in.
func validate(t *testing.T, text []byte) (*batch.Job, []string) {
	t.Helper()
	var job batchv1.Job
	strictly(t, text, &job)
	if job.APIVersion != "batch/v1" || job.Kind != "Job" {
		t.Fatalf("it is a %s of %s", job.Kind, job.APIVersion)
	}
	job.Namespace, job.UID = "default", "a"
	legacyscheme.Scheme.Default(&job)
	var internal batch.Job
	if err := legacyscheme.Scheme.Convert(&job, &internal, nil); err != nil {
		t.Fatal(err)
	}
	// A server adds these itself.
	internal.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{batch.ControllerUidLabel: "a"}}
	internal.Spec.Template.Labels = map[string]string{
		batch.LegacyControllerUidLabel: "a", batch.LegacyJobNameLabel: job.Name,
		batch.ControllerUidLabel: "a", batch.JobNameLabel: job.Name,
	}
	var said []string
	for _, err := range validation.ValidateJob(&internal, validation.JobValidationOptions{RequirePrefixedLabels: true}) {
		said = append(said, err.Error())
	}
	return &internal, said
}

func TestKubernetes(t *testing.T) {
	for _, name := range []string{"plan.yaml", "score.yaml", "finish.yaml"} {
		job, said := validate(t, read(t, "kubernetes/"+name))
		if len(said) > 0 {
			t.Errorf("%s: %s", name, strings.Join(said, "\n"))
		}
		pod := job.Spec.Template.Spec
		if pod.RestartPolicy != core.RestartPolicyNever || *job.Spec.PodReplacementPolicy != batch.Failed {
			t.Errorf("%s: restarts %s, replaces %s", name, pod.RestartPolicy, *job.Spec.PodReplacementPolicy)
		}
		for _, v := range pod.Volumes {
			if claim := v.PersistentVolumeClaim; claim != nil && claim.ClaimName != "graphscore" {
				t.Errorf("%s: claims %s", name, claim.ClaimName)
			}
		}
	}
	var claim corev1.PersistentVolumeClaim
	strictly(t, read(t, "kubernetes/volume.yaml"), &claim)
	legacyscheme.Scheme.Default(&claim)
	var internal core.PersistentVolumeClaim
	if err := legacyscheme.Scheme.Convert(&claim, &internal, nil); err != nil {
		t.Fatal(err)
	}
	internal.Namespace = "default"
	if said := corevalidation.ValidatePersistentVolumeClaim(&internal, corevalidation.PersistentVolumeClaimSpecValidationOptions{}); len(said) > 0 {
		t.Error(said)
	}
	if claim.Name != "graphscore" || !slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteMany) {
		t.Errorf("the claim is %s, %v", claim.Name, claim.Spec.AccessModes)
	}
}

// What an API server would refuse is refused here: the rules are asked.
func TestKubernetesRefuses(t *testing.T) {
	for from, to := range map[string]string{
		"restartPolicy: Never":             "restartPolicy: OnFailure",
		"containerName: shard":             "containerName: other",
		"[1, 3, 4, 64":                     "[3, 1, 4, 64",
		"64, 65,":                          "64, 64,",
		"completionMode: Indexed":          "completionMode: NonIndexed",
		"backoffLimitPerIndex: 3":          "backoffLimit: 3",
		"podReplacementPolicy: Failed":     "podReplacementPolicy: TerminatingOrFailed",
		"{name: shared, mountPath":         "{name: none, mountPath",
		"maxFailedIndexes: 2":              "maxFailedIndexes: 9",
		"limits: {cpu: \"2\", memory: 4Gi": "limits: {cpu: \"2\", memory: 1Gi",
	} {
		text := string(read(t, "kubernetes/score.yaml"))
		changed := strings.Replace(text, from, to, 1)
		if changed == text {
			t.Fatalf("score.yaml has no %q", from)
		}
		if _, said := validate(t, []byte(changed)); len(said) == 0 {
			t.Errorf("%q for %q is not refused", to, from)
		}
	}
}
