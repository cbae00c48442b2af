# Installs runnerkit into a folder of its own and tells where. What a checkout holds is never looked at: Python and pip
# are told to leave the working folder and the variables of the job out.
set -euo pipefail

unset PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE
if [ -n "$PACKAGE" ] && [ -n "$VERSION" ]; then
    echo "::error::give either package or version, not both"
    exit 1
fi
if [ -z "$PACKAGE" ] && [ -n "$VERSION" ]; then
    case $VERSION in
        *[!A-Za-z0-9.+!-]*)
            echo "::error::the input version is a version, such as 1.2.3"
            exit 1
            ;;
    esac
    PACKAGE=runnerkit==$VERSION
fi
case $PACKAGE in
    # To pip that would be an option, not something to install.
    -*)
        echo "::error::the input package is what pip shall install, such as runnerkit==1.2.3; it is no option"
        exit 1
        ;;
    # The action's own commit: GitHub fetches the whole repository of an action.
    "") PACKAGE=$(cd -- "$GITHUB_ACTION_PATH/../../.." && pwd) ;;
esac

place=$(mktemp -d "$RUNNER_TEMP/runnerkit.XXXXXX")
cd -- "$place"
"$PYTHON" -I -m venv --without-pip "$place/venv"
"$PYTHON" -I -m pip --python "$place/venv/bin/python" install --quiet --disable-pip-version-check -- "$PACKAGE"
echo "program=$place/venv/bin/python" >>"$GITHUB_OUTPUT"
if [ "${ON_PATH-}" = true ]; then
    # The command alone: not the Python beside it, which later steps do not expect.
    mkdir "$place/bin"
    printf '#!/bin/sh\nexec %s -I -m runnerkit "$@"\n' "'$place/venv/bin/python'" >"$place/bin/runnerkit"
    chmod 755 "$place/bin/runnerkit"
    echo "$place/bin" >>"$GITHUB_PATH"
fi
