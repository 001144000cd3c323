package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"relabel/internal/cli"
)

// manifests are the objects of docs/ops/kubernetes.yaml.
type manifests struct {
	configMaps  map[string]core.ConfigMap
	secrets     map[string]core.Secret
	deployments map[string]apps.Deployment
	services    map[string]core.Service
}

// readManifests decodes as strictly as an API server does with --validate=strict: a field that does not exist, a wrong
// type or a key given twice is an error.
func readManifests(t *testing.T) manifests {
	t.Helper()
	text, err := os.ReadFile("../docs/ops/kubernetes.yaml")
	require.NoError(t, err)
	m := manifests{map[string]core.ConfigMap{}, map[string]core.Secret{}, map[string]apps.Deployment{}, map[string]core.Service{}}
	for _, part := range bytes.Split(text, []byte("\n---\n")) {
		var kind struct{ Kind string }
		require.NoError(t, yaml.Unmarshal(part, &kind))
		switch kind.Kind {
		case "ConfigMap":
			decode(t, part, "v1", m.configMaps, func(o core.ConfigMap) (string, string) { return o.APIVersion, o.Name })
		case "Secret":
			decode(t, part, "v1", m.secrets, func(o core.Secret) (string, string) { return o.APIVersion, o.Name })
		case "Deployment":
			decode(t, part, "apps/v1", m.deployments, func(o apps.Deployment) (string, string) { return o.APIVersion, o.Name })
		case "Service":
			decode(t, part, "v1", m.services, func(o core.Service) (string, string) { return o.APIVersion, o.Name })
		default:
			require.Fail(t, "an object of a kind that no test checks", kind.Kind)
		}
	}
	return m
}

func decode[T any](t *testing.T, text []byte, version string, into map[string]T, id func(T) (version, name string)) {
	t.Helper()
	var object T
	require.NoError(t, yaml.UnmarshalStrict(text, &object))
	has, name := id(object)
	require.Equal(t, version, has)
	require.NotEmpty(t, name)
	into[name] = object
}

func TestKubernetes(t *testing.T) {
	m := readManifests(t)
	require.Len(t, m.deployments, 2)
	for name, d := range m.deployments {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
			pod := d.Spec.Template.Spec
			require.False(t, *pod.AutomountServiceAccountToken)
			require.True(t, *pod.SecurityContext.RunAsNonRoot)
			require.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
			for _, c := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
				m.requireContainer(t, pod, c)
			}
			for _, c := range pod.Containers {
				requireProbe(t, c, c.ReadinessProbe, "/readyz")
				requireProbe(t, c, c.LivenessProbe, "/healthz")
			}
		})
	}
	for _, s := range m.services {
		d := m.deployments[s.Name]
		require.Equal(t, s.Spec.Selector, d.Spec.Template.Labels)
		require.Equal(t, s.Spec.Ports[0].TargetPort.StrVal, d.Spec.Template.Spec.Containers[0].Ports[0].Name)
	}
}

// requireContainer requires what the Pod Security Standard "restricted" does, a read-only root, and that what the
// container names exists.
func (m manifests) requireContainer(t *testing.T, pod core.PodSpec, c core.Container) {
	t.Helper()
	s := c.SecurityContext
	require.False(t, *s.AllowPrivilegeEscalation)
	require.True(t, *s.ReadOnlyRootFilesystem)
	require.Equal(t, []core.Capability{"ALL"}, s.Capabilities.Drop)
	require.Empty(t, s.Capabilities.Add)
	require.False(t, c.Resources.Limits.Memory().IsZero())
	requireCommand(t, c.Args)

	secrets := ""
	for _, mount := range c.VolumeMounts {
		at := slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == mount.Name })
		require.NotEqual(t, -1, at, mount.Name)
		if source := pod.Volumes[at].Secret; source != nil {
			require.Contains(t, m.secrets, source.SecretName)
			secrets = mount.MountPath
		}
	}
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		require.Contains(t, m.configMaps, from.ConfigMapRef.Name)
		maps.Copy(env, m.configMaps[from.ConfigMapRef.Name].Data)
	}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	requireEnvironment(t, env)
	require.NotEmpty(t, env["DATABASE_URL"])
	for _, value := range append(slices.Clone(c.Args), env["DATABASE_PASSWORD_FILE"], env["WEBFLOW_TOKEN_FILE"]) {
		if _, file, ok := strings.Cut(value, secrets+"/"); ok {
			require.Contains(t, m.secrets["relabel"].StringData, file)
		}
	}
}

func requireProbe(t *testing.T, c core.Container, p *core.Probe, path string) {
	t.Helper()
	require.Equal(t, path, p.HTTPGet.Path)
	require.Equal(t, c.Ports[0].Name, p.HTTPGet.Port.StrVal)
	require.Greater(t, p.TimeoutSeconds, int32(5), "the check itself takes 5 s at most")
}

// requireCommand requires a command of relabel with options that it has.
func requireCommand(t *testing.T, args []string) {
	t.Helper()
	cmd, rest, err := cli.Commands().Find(args)
	require.NoError(t, err)
	require.True(t, cmd.Runnable() && cmd.HasParent(), args)
	require.NoError(t, cmd.ParseFlags(rest), args)
	require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), args)
}

// requireEnvironment requires that `relabel help environment` has each variable.
func requireEnvironment(t *testing.T, env map[string]string) {
	t.Helper()
	root := cli.Commands()
	topic, _, err := root.Find([]string{"environment"})
	require.NoError(t, err)
	var help bytes.Buffer
	topic.SetOut(&help)
	topic.HelpFunc()(topic, nil)
	for name := range env {
		known := strings.Contains(help.String(), name+"\n") // require.Contains would print all of it
		require.True(t, known, "no variable %s", name)
	}
}

// compose-go is what `docker compose` itself reads files with: it checks them against the schema, and resolves what
// they refer to.
func TestCompose(t *testing.T) {
	for _, file := range []string{"../docs/ops/compose.yaml", "../docker-compose.yml"} {
		t.Run(file, func(t *testing.T) {
			project := readCompose(t, file)
			require.ElementsMatch(t, []string{"migrate", "postgres", "serve", "work"}, project.ServiceNames())
			for name, s := range project.Services {
				require.True(t, s.ReadOnly, name)
				require.Equal(t, []string{"ALL"}, s.CapDrop, name)
				require.Positive(t, int64(s.MemLimit), name)
				if name == "postgres" {
					continue
				}
				requireCommand(t, s.Command)
				env := map[string]string{}
				for variable, value := range s.Environment {
					env[variable] = *value
				}
				requireEnvironment(t, env)
				m, err := os.Stat(s.Build.Context + "/Dockerfile")
				require.NoError(t, err)
				require.False(t, m.IsDir())
				for _, secret := range s.Secrets {
					require.Contains(t, project.Secrets, secret.Source)
				}
			}
		})
	}
}

// A workbook of the largest upload fits into /tmp, twice because its texts are unpacked there; and what /tmp may hold, which
// counts as memory, leaves enough for the program.
func TestComposeHasRoomForUploads(t *testing.T) {
	const upload, program = 200 << 20, 400 << 20 // --max-upload, and a large load
	for name, s := range readCompose(t, "../docs/ops/compose.yaml").Services {
		if name == "postgres" {
			continue
		}
		var size int64
		_, err := fmt.Sscanf(strings.Join(s.Tmpfs, ","), "/tmp:size=%dm", &size)
		require.NoError(t, err)
		size <<= 20
		require.GreaterOrEqual(t, int64(s.MemLimit)-size, int64(program), name)
		if name == "serve" {
			require.GreaterOrEqual(t, size, int64(2*upload))
		}
	}
}

func readCompose(t *testing.T, file string) *types.Project {
	t.Helper()
	file, err := filepath.Abs(file)
	require.NoError(t, err)
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  filepath.Dir(file),
		ConfigFiles: []types.ConfigFile{{Filename: file}},
		Environment: types.Mapping{"POSTGRES_PASSWORD": "a", "WEBFLOW_TOKEN": "b", "DASHBOARD_PASSWORD": "c"},
	})
	require.NoError(t, err)
	return project
}
