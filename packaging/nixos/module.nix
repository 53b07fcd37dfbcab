# Never built on NixOS: read and evaluated with stand-ins for nixpkgs, by tests/ci/distributions.rs.
#
# imports = [ .../packaging/nixos/module.nix ]; services.mainsd.enable = true;
# From services.apcupsd: the text of configText and hooks is taken as it is. Only one of the two can be enabled.
{ config, lib, pkgs, ... }:

let
  cfg = config.services.mainsd;

  # The folder with hooks is ours, whatever a text that was written for apcupsd says of others: the last of two lines counts.
  text = ''
    ${cfg.configText}
    SCRIPTDIR /etc/mainsd
    PWRFAILDIR /run/mainsd
  '';

  hook = name: script: {
    name = "mainsd/${name}";
    value.source = pkgs.writeShellScript "mainsd-${name}" script;
  };

  # systemd runs it last of all, without a PATH.
  last = pkgs.writeShellScript "mainsd-shutdown" ''
    export PATH=${lib.makeBinPath [ cfg.package pkgs.coreutils pkgs.gnused ]}
    exec ${cfg.package}/lib/mainsd/killpower "$@"
  '';
in
{
  options.services.mainsd = {
    enable = lib.mkEnableOption "mainsd, which watches a UPS and shuts this machine down before its battery is empty";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package with mainsd.";
    };

    configText = lib.mkOption {
      type = lib.types.lines;
      default = ''
        UPSTYPE usb
        UPSCABLE usb
        DEVICE
        NISIP 127.0.0.1
        BATTERYLEVEL 10
        MINUTES 5
      '';
      description = "The configuration; see mainsd.conf(5). SCRIPTDIR and PWRFAILDIR are set by this module.";
    };

    hooks = lib.mkOption {
      type = lib.types.attrsOf lib.types.lines;
      default = { };
      example = { onbattery = "logger on battery"; };
      description = ''
        Shell scripts by the name of their event; see mainsd-hooks(8). One that ends with 99 takes the place of what apccontrol would do.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !(config.services.apcupsd.enable or false);
        message = "services.mainsd and services.apcupsd would both guard this machine: disable one.";
      }
    ];

    environment.systemPackages = [ cfg.package ];
    environment.etc = {
      "mainsd/mainsd.conf".text = text;
      "mainsd/apccontrol".source = "${cfg.package}/share/mainsd/apccontrol";
    } // lib.mapAttrs' hook cfg.hooks;

    users.groups.mainsd = { };
    users.users.mainsd = {
      isSystemUser = true;
      group = "mainsd";
      description = "UPS monitoring daemon";
    };

    services.udev.packages = [ cfg.package ];

    systemd.packages = [ cfg.package ];
    systemd.services.mainsd = {
      wantedBy = [ "multi-user.target" ];
      # wall, for the hooks.
      path = [ pkgs.util-linux ];
      # It is read again, not started anew: nothing is missed.
      reloadTriggers = [ text ];
    };
    systemd.shutdown.mainsd = last;
  };
}
