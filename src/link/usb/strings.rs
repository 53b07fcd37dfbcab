//! The strings of a UPS: model, firmware, serial number, name (usb-hid §8).

use crate::bus::usb::DeviceInfo;
use crate::ups::clean;

/// A string the identity needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StringRequest {
    Product,
    Serial,
    Name,
}

/// What is known and what must be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Strings {
    pub product: Option<String>,
    pub serial: Option<String>,
    pub name: Option<String>,
    wishes: Vec<(StringRequest, u8)>,
}

impl Strings {
    /// What the system shows is taken; the rest is asked from the device, by the indexes in its reports.
    pub(super) fn new(info: &DeviceInfo, product: Option<u8>, serial: Option<u8>, name: Option<u8>) -> Self {
        let mut strings = Self {
            product: info.product_name.clone(),
            serial: info.serial.clone(),
            name: None,
            wishes: Vec::new(),
        };
        let missing = [
            (StringRequest::Name, name),
            (StringRequest::Serial, serial.filter(|_| strings.serial.is_none())),
            (StringRequest::Product, product.filter(|_| strings.product.is_none())),
        ];
        strings.wishes.extend(missing.into_iter().filter_map(|(wish, index)| Some((wish, index?))));
        strings
    }

    pub(super) fn next_wish(&self) -> Option<(StringRequest, u8)> {
        self.wishes.last().copied()
    }

    pub(super) fn answered(&mut self, wish: StringRequest, text: Option<String>) {
        self.wishes.retain(|(other, _)| *other != wish);
        match wish {
            StringRequest::Product => self.product = text.as_deref().map(clean),
            // Not cleaned: a character that has no place there shows that it is garbage.
            StringRequest::Serial => self.serial = text,
            StringRequest::Name => self.name = text.as_deref().map(clean),
        }
    }

    /// Model and firmware out of the product string: parted by `FW:`, blanks before both removed, blanks after kept.
    pub(super) fn model_and_firmware(&self) -> (Option<String>, Option<String>) {
        let Some(product) = &self.product else { return (None, None) };
        let (model, firmware) = match product.split_once("FW:") {
            Some((model, firmware)) => (model, Some(firmware.trim_start())),
            None => (product.as_str(), None),
        };
        let filled = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
        (filled(model.trim_start()), firmware.and_then(filled))
    }

    /// The serial number, unless a character in it shows that it is garbage.
    pub(super) fn serial_number(&self) -> Option<String> {
        let serial = self.serial.as_ref()?;
        let sound = !serial.trim().is_empty() && serial.bytes().all(|byte| (b' '..=b'z').contains(&byte));
        sound.then(|| serial.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(text: &str) -> (Option<String>, Option<String>) {
        Strings { product: Some(text.into()), ..Strings::default() }.model_and_firmware()
    }

    #[test]
    fn a_product_string_is_model_and_firmware() {
        assert_eq!(
            product("Back-UPS ES 850G2 FW:938.a2 .I USB FW:a2"),
            (Some("Back-UPS ES 850G2 ".into()), Some("938.a2 .I USB FW:a2".into()))
        );
        assert_eq!(
            product("  Smart-UPS 3000 FW: UPS 06.0 / ID=1027"),
            (Some("Smart-UPS 3000 ".into()), Some("UPS 06.0 / ID=1027".into()))
        );
        assert_eq!(product("CP900EPFCLCD"), (Some("CP900EPFCLCD".into()), None));
        assert_eq!(product(" "), (None, None));
    }

    #[test]
    fn a_garbage_serial_number_is_dropped() {
        let serial = |text: &str| Strings { serial: Some(text.into()), ..Strings::default() }.serial_number();
        assert_eq!(serial("3B1004X02003  "), Some("3B1004X02003  ".into()));
        assert_eq!(serial("3B10\u{fffd}"), None);
        assert_eq!(serial("3B10~"), None);
        assert_eq!(serial(""), None);
    }
}
