# The runnerkit that bakes, as a wheel that came along; needs uv.
tar -x --no-same-owner -f "$PAYLOAD" -C /
UV_TOOL_DIR=/opt/uv-tools UV_TOOL_BIN_DIR=/usr/local/bin UV_PYTHON_INSTALL_DIR=/opt/uv-python uv tool install --force --quiet "$WHEEL"
rm -f "$WHEEL"
runnerkit --version
