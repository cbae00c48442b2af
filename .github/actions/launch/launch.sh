# Turns the inputs into the options of `runnerkit launch` and becomes it. A value is one word of the command line,
# whatever it holds; with `=` it cannot be taken for another option.
set -euo pipefail

options=(
    config repo runs-on scope count
    spec gpu type family cpu ram arch image profile spot region zone disk idle life retry price
)
flags=(wait skip-if-nothing-to-do dry-run)

read_input() {
    local name=INPUT_${1^^}
    name=${name//-/_}
    value=${!name-}
}

words=()
for option in "${options[@]}"; do
    read_input "$option"
    if [ -n "$value" ]; then
        words+=("--$option=$value")
    fi
done
for flag in "${flags[@]}"; do
    read_input "$flag"
    case $value in
        true) words+=("--$flag") ;;
        "" | false) ;;
        *)
            echo "::error::the input $flag is true or false"
            exit 1
            ;;
    esac
done

# What is not given leaves the job's own variable as it is.
give() {
    read_input "$1"
    if [ -n "$value" ]; then
        export "$2=$value"
    fi
}
# Who is given here wins over whom the job's variables and the configuration name; of both, the App.
if [ -n "${INPUT_APP_ID-}" ]; then
    unset RUNNERKIT_GITHUB__TOKEN
elif [ -n "${INPUT_TOKEN-}" ] && [ -z "${INPUT_APP_KEY-}" ]; then
    unset RUNNERKIT_GITHUB__TOKEN
    export RUNNERKIT_GITHUB__APP_ID=
fi
give token GH_TOKEN
give app-id RUNNERKIT_GITHUB__APP_ID
give app-key RUNNERKIT_GITHUB__PRIVATE_KEY
give aws-region AWS_REGION
exec "$PROGRAM" -I -m runnerkit launch "${words[@]}"
