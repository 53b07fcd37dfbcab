# In place of the packages feed's rust-package.mk (openwrt §1): `make command` prints what cargo would be told.
RUST_ARCH_DEPENDS:=@(aarch64||arm||mips||mipsel||x86_64)
CARGO_PKG_ARGS=--locked

.PHONY: command
command:
	@echo 'cargo install --profile release $(if $(RUST_PKG_FEATURES),--features "$(RUST_PKG_FEATURES)") --path $(PKG_BUILD_DIR) $(CARGO_PKG_ARGS)'
