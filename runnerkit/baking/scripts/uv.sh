# uv of a certain version, in an environment of its own; what it installs as a tool is found by every user.
command -v python3 >/dev/null
python3 -m venv /opt/uv 2>/dev/null || { apt-get update -q && apt-get install -qy python3-venv && python3 -m venv /opt/uv; }
/opt/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$VERSION"
ln -sf /opt/uv/bin/uv /usr/local/bin/uv
ln -sf /opt/uv/bin/uvx /usr/local/bin/uvx
uv --version
