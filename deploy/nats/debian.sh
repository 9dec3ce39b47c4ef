# shellcheck shell=sh
# A source of provision.sh, which reads this file: the package nats-server of Debian, from the mirrors that this machine
# knows. Nothing is installed; the program is taken out of the package.

DEBIAN_SUITE=forky
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

from_debian() {
  if ! have apt-get || ! have dpkg-deb || [ ! -r "$DEBIAN_KEYRING" ]; then return 1; fi
  mirrors=$(debian_mirrors)
  for mirror in $mirrors; do
    if from_debian_mirror "$mirror"; then return; fi
  done
  return 1
}

from_debian_mirror() {
  root=$scratch/apt
  rm -rf "$root"
  mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial" "$root/unpacked"
  # `target=Packages` skips translations, contents and component metadata that plugins ask for.
  echo "deb [signed-by=$DEBIAN_KEYRING target=Packages] $1 $DEBIAN_SUITE main" >"$root/sources.list"
  apt_configuration "$root" >"$root/apt.conf"

  if ! step "asking the Debian mirror for suite $DEBIAN_SUITE" 120 apt-get -c "$root/apt.conf" -q update; then
    say "the mirror $1 does not offer Debian $DEBIAN_SUITE"
    return 1
  fi
  if ! step 'downloading the package nats-server' "$DOWNLOAD_SECONDS" apt_download "$root"; then
    say 'the package could not be downloaded'
    return 1
  fi
  # Exactly one file: the folder was empty before.
  dpkg-deb -x "$root"/nats-server_*.deb "$root/unpacked" 2>>"$log" || return 1
  keep "$root/unpacked/usr/sbin/nats-server"
}

# Read by apt after the machine's own configuration, whose proxy settings must stay in force.
apt_configuration() {
  cat <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Default-Release "";
APT::Sandbox::User "$(id -un)";
Acquire::Retries "1";
Acquire::Languages "none";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
Acquire::http::ConnectionAttemptDelayMsec "250";
APT::Update::Error-Mode "any";
Dir::Etc::SourceList "$1/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "-";
Dir::State "$1/state";
Dir::Cache "$1/cache";
CONF
}

# `apt-get download` writes to the working folder. The pinned version if the suite still has it, else
# what it has now: `keep` refuses anything below MINIMUM.
apt_download() {
  cd "$1"
  pinned=$(apt-cache -c "$1/apt.conf" madison nats-server | awk -v v="$VERSION-" 'index($3, v) == 1 { print $3; exit }')
  exec apt-get -c "$1/apt.conf" -q download "nats-server${pinned:+=$pinned}"
}

# The archive roots in this machine's apt sources that can be Debian's own: component main, a plain
# suite name (no -security, no path). Those ending in /debian come first; a wrong guess costs one 404
# and can never yield a foreign package, since apt checks Debian's signature.
debian_mirrors() {
  {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '
      $1 == "deb" {
        sub(/^[ \t]*deb[ \t]+(\[[^]]*\][ \t]+)?/, "")
        if ($2 !~ /[-\/]/ && (" " $0 " ") ~ /[ \t]main[ \t]/) print $1
      }'
    for stanzas in /etc/apt/sources.list.d/*.sources; do
      [ -r "$stanzas" ] && deb822_mirrors <"$stanzas"
    done
  } | sed 's:/*$::' | awk '
    /^cdrom:/ || seen[$0]++ { next }
    /\/debian$/ { print; next }
    { later[++n] = $0 }
    END { for (i = 1; i <= n; i++) print later[i] }' | head -n 3
}

deb822_mirrors() {
  awk '
    function flush(  i, n, list, plain) {
      n = split(field["suites"], list, /[ \t]+/)
      for (i = 1; i <= n; i++) if (list[i] != "" && list[i] !~ /[-\/]/) plain = 1
      if (plain && field["enabled"] !~ /no/ && (" " field["types"] " ") ~ / deb / &&
          (" " field["components"] " ") ~ / main /) {
        n = split(field["uris"], list, /[ \t]+/)
        for (i = 1; i <= n; i++) if (list[i] != "") print list[i]
      }
      split("", field)
    }
    /^#/ { next }
    /^[ \t]*$/ { flush(); next }
    /^[ \t]/ { field[key] = field[key] " " $0; next }
    {
      key = tolower(substr($0, 1, index($0, ":") - 1))
      field[key] = substr($0, index($0, ":") + 1)
      gsub(/[ \t]+/, " ", field[key])
    }
    END { flush() }'
}
