# GitHub's runner, checked against its SHA-256 and warmed up: it is made for machines that serve one job.
folder=/opt/runnerkit/runner
archive=$(mktemp)
curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --output "$archive" "$URL"
echo "$SHA256  $archive" | sha256sum --check --status || { echo "$URL does not have the SHA-256 $SHA256"; exit 1; }
rm -rf "$folder"
mkdir -p "$folder"
tar -xzf "$archive" -C "$folder"
rm -f "$archive"
if test -e "$folder/bin/installdependencies.sh"; then bash "$folder/bin/installdependencies.sh"; fi
chown -R runner:runner "$folder"
chmod 700 "$folder"
runuser -u runner -- "$folder/bin/Runner.Listener" warmup
found=$(runuser -u runner -- "$folder/bin/Runner.Listener" --version)
test -z "$VERSION" || test "$found" = "$VERSION" || { echo "the runner says it is $found, not $VERSION"; exit 1; }
echo "runner $found"
