# In place of the packages feed's rust-package.mk (openwrt §1): `make command` prints what is run to build, for the machine that it is run on.
RUST_ARCH_DEPENDS:=@(aarch64||arm||mips||mipsel||x86_64)
CARGO_PKG_ARGS=--locked
CARGO_PKG_VARS=\
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_LTO=true \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_DEBUG=false \
	CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
	CARGO_PROFILE_RELEASE_PANIC=unwind \
	CARGO_PROFILE_RELEASE_RPATH=false \
	RUSTFLAGS=-Ctarget-feature=-crt-static

.PHONY: command
command:
	@echo '$(strip $(CARGO_PKG_VARS)) cargo install --profile release $(if $(RUST_PKG_FEATURES),--features "$(RUST_PKG_FEATURES)") --root $(PKG_INSTALL_DIR) --path $(PKG_BUILD_DIR) $(CARGO_PKG_ARGS)'
