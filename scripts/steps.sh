# shellcheck shell=bash
# Sourced by the scripts: runs named steps and prints how long each took.

step_names=()
step_seconds=()

# step NAME COMMAND...: runs the command; its failure ends the script.
step() {
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  step_names+=("$name")
  step_seconds+=($((SECONDS - start)))
  printf -- '-- %s: %d s\n' "$name" $((SECONDS - start))
}

# print_steps: the table of all steps so far.
print_steps() {
  local i
  printf '\n%-44s %8s\n' step seconds
  for i in "${!step_names[@]}"; do
    printf '%-44s %8d\n' "${step_names[$i]}" "${step_seconds[$i]}"
  done
  printf '%-44s %8d\n' total "$SECONDS"
}
