# Never built on NixOS: read by nix-instantiate, by tests/ci/distributions.rs. `nix-build -E 'with import <nixpkgs> { }; callPackage ./package.nix { }'`
{ lib, rustPlatform, installShellFiles }:

let
  manifest = (builtins.fromTOML (builtins.readFile ../../Cargo.toml)).package;
in
rustPlatform.buildRustPackage {
  pname = manifest.name;
  inherit (manifest) version;
  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;
  cargoBuildFlags = [ "--bin" "mainsd" ];

  # The others start daemons and wait by the real clock.
  cargoTestFlags = [ "--test" "pure" ];

  nativeBuildInputs = [ installShellFiles ];

  postInstall = ''
    ln -s mainsd $out/bin/apcupsd
    ln -s mainsd $out/bin/apcaccess
    ln -s mainsd $out/bin/apctest
    installManPage man/*.[1-8]
    ln -s mainsd.8.gz $out/share/man/man8/apcupsd.8.gz
    ln -s mainsd.conf.5.gz $out/share/man/man5/apcupsd.conf.5.gz
    installShellCompletion --bash --name mainsd packaging/completion/mainsd.bash
    installShellCompletion --zsh --name _mainsd packaging/completion/mainsd.zsh
    install -Dm644 packaging/mainsd.conf $out/share/mainsd/mainsd.conf
    install -Dm755 packaging/hooks/apccontrol $out/share/mainsd/apccontrol
    install -Dm755 packaging/systemd/mainsd.shutdown $out/lib/mainsd/killpower
    install -Dm644 packaging/udev/60-mainsd.rules $out/lib/udev/rules.d/60-mainsd.rules
    install -Dm644 packaging/systemd/mainsd.service $out/lib/systemd/system/mainsd.service
    substituteInPlace $out/lib/systemd/system/mainsd.service --replace-fail /usr/sbin/mainsd $out/bin/mainsd
  '';

  meta = {
    inherit (manifest) description;
    # With libusb and serialport in it.
    license = with lib.licenses; [ mit asl20 lgpl21Plus mpl20 ];
    mainProgram = "mainsd";
    platforms = lib.platforms.linux;
  };
}
