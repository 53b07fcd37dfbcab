# In place of OpenWrt's package.mk (openwrt §2). `make prepare`, `describe-NAME`, `install-NAME DESTDIR=FOLDER` and `command`.
PKG_BUILD_DIR:=$(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)

.PHONY: prepare
prepare:
	$(call Build/Prepare)

define BuildPackage
  TITLE:=
  DEPENDS:=
  VARIANT:=
  PROVIDES:=
  CONFLICTS:=
  USERID:=
  $$(eval $$(call Package/$(1)))
  $(1)_IS:=$$(foreach field,TITLE DEPENDS VARIANT PROVIDES CONFLICTS USERID,$$(field)=$$($$(field));)
.PHONY: describe-$(1) install-$(1) conffiles-$(1)
describe-$(1):
	@echo '$$($(1)_IS)'
conffiles-$(1):
	@echo '$$(strip $$(Package/$(1)/conffiles))'
install-$(1):
	$$(call Package/$(1)/install,$$(DESTDIR))
endef
