//! Messages of net-snmp 5.9.3: what its `snmpget` sent to its `snmpd`, and what that answered.

use super::super::keys::Stretching;
use super::super::tests::bytes;
use super::super::{Binding, Kind, Value};
use super::*;

const SYS_DESCR: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 1, 0];

/// Accounts, each with a request for sysDescr and its answer. The pass phrases are `authpass1` and `privpass1`.
const RECORDED: [(&str, Auth, Option<Privacy>, &str, &str); 6] = [
    (
        "md5des",
        Auth::Md5,
        Some(Privacy::Des),
        "30818d02010330110204154e3d48020300ffe3040107020103043b3039041180001f888038f2c43ba93d0e6b0000000002010102010204066d6435646573040cc4d652d2749feb7969560164040800000001a867f4550438139a3d1f8944e0d1df5e646c1c7085fbf01532855f224c95b56d5e8f1079c438eb5d070c757b7b2e3a1c8bc612cc775d1b84a4b17e6c818c",
        "30819502010330110204154e3d48020300ffe3040103020103043b3039041180001f888038f2c43ba93d0e6b0000000002010102010204066d6435646573040c80c12a48e6f09cbf1fb8f3f404080000000173b5a8bc0440bbfd8298bd51e28674275906a6ed39705a738d44b98214e1226b7d453b3f1e63d03310691f3e40c96960e33f913006ad6687015d0a2a19e4cbcd6bc516e25c8c",
    ),
    (
        "shaaes",
        Auth::Sha1,
        Some(Privacy::Aes),
        "30818a020103301102041e28632e020300ffe3040107020103043b3039041180001f888038f2c43ba93d0e6b000000000201010201040406736861616573040c664358da4f56c71f79e03ffb040828fd21cabe866520043593258b5376be982012d5fa99dda2b005acc0e7223ff1d380c00420b09ae8618017f43369c245ceb26c773afcac3a52e6bc70500644",
        "308194020103301102041e28632e020300ffe3040103020103043b3039041180001f888038f2c43ba93d0e6b000000000201010201040406736861616573040c7b4f805121bd8965a28530200408e733fd26bc8b1c9c043f3d6ea16853c8600ac028a6a47d88fea5655c53754b48b0f7fd4826b32d0a2fa5b5bd159032c48fbde1ccb40e5cf9bd120f578774d86935dfce85df8e3d16e2",
    ),
    (
        "sha512des",
        Auth::Sha512,
        Some(Privacy::Des),
        "3081b4020103301102043369b748020300ffe304010702010304623060041180001f888038f2c43ba93d0e6b00000000020101020106040973686135313264657304304b32c2490ab2c812fe409c8a24f238dff19271f650f2cd7d427e20ecbb6561954debba63122478303c7bb08dd472279b04080000000127c112a00438f8a49f30f75348f2df08cfa0ce925158931b24d3e72795f7a1b23e19ee1fea26f9524fa41fbed26d9ff17e43fc28c72ffe076962fb85b7a2",
        "3081bc020103301102043369b748020300ffe304010302010304623060041180001f888038f2c43ba93d0e6b0000000002010102010604097368613531326465730430934ad11a61a8ef47f2fd0a9c54dfb5ce50e5e44c21180feb0223badeeae6aa36d391b2780dce0d56d265e8cdc8e2b03c04080000000173b5a8bd0440f3628df5a214a79f387e513844cf9cddafa11b39a884afc98db40371e8d7020598a4baf4198fa8925b8f07272856192d24de51f808f307dccea2303f3dae98d3",
    ),
    (
        "sha224aes",
        Auth::Sha224,
        None,
        "30818602010330110204093a00ae020300ffe3040105020103043a3038041180001f888038f2c43ba93d0e6b00000000020101020109040973686132323461657304105f6e182901639942972a6329abd1d95504003032041180001f888038f2c43ba93d0e6b000000000400a01b02030506f1020100020100300e300c06082b060102010101000500",
        "30819002010330110204093a00ae020300ffe3040101020103043a3038041180001f888038f2c43ba93d0e6b000000000201010201090409736861323234616573041033d48b7b7f99bec0344d199a59f75fc40400303c041180001f888038f2c43ba93d0e6b000000000400a22502030506f10201000201003018301606082b06010201010100040a74657374206167656e74",
    ),
    (
        "sha256aes",
        Auth::Sha256,
        None,
        "30818f0201033011020416677bda020300ffe304010502010304423040041180001f888038f2c43ba93d0e6b0000000002010102010b04097368613235366165730418fd2c5441169559e1b25f61b66caa1c3367c9b37b256d17a404003033041180001f888038f2c43ba93d0e6b000000000400a01c02040c7dffe3020100020100300e300c06082b060102010101000500",
        "3081990201033011020416677bda020300ffe304010102010304423040041180001f888038f2c43ba93d0e6b0000000002010102010b04097368613235366165730418dad842c23232f2aecf064f6aaa1b332e44606c46ad861dc00400303d041180001f888038f2c43ba93d0e6b000000000400a22602040c7dffe30201000201003018301606082b06010201010100040a74657374206167656e74",
    ),
    (
        "sha384aes",
        Auth::Sha384,
        None,
        "30819702010330110204590f162c020300ffe3040105020103044a3048041180001f888038f2c43ba93d0e6b0000000002010102010d040973686133383461657304205d72102d6dc0b5af2061edfd6f7f013b491b23d422af4b89ea0a13b41ce0f20604003033041180001f888038f2c43ba93d0e6b000000000400a01c0204677fdff9020100020100300e300c06082b060102010101000500",
        "3081a102010330110204590f162c020300ffe3040101020103044a3048041180001f888038f2c43ba93d0e6b0000000002010102010d040973686133383461657304203dc0ff13a770f71f767bef3ec87ed21ea7d097c8db2b4b2ee1acbb039cb8321f0400303d041180001f888038f2c43ba93d0e6b000000000400a2260204677fdff90201000201003018301606082b06010201010100040a74657374206167656e74",
    ),
];
/// A question for the name of the engine, and the report that has it.
const DISCOVERY: [&str; 2] = [
    "303e02010330110204154e3d49020300ffe30401040201030410300e0400020100020100040004000400301404000400a00e02042c27f7500201000201003000",
    "307102010330110204154e3d49020300ffe30401000201030421301f041180001f888038f2c43ba93d0e6b000000000201010201020400040004003036041180001f888038f2c43ba93d0e6b000000000400a81f02042c27f7500201000201003011300f060a2b060106030f01010400410101",
];
/// Signed, not encrypted, of sha256aes: the time was another.
const NOT_IN_TIME: &str = "30818f0201033011020451375b2f020300ffe304010102010304423040041180001f888038f2c43ba93d0e6b00000000020101020121040973686132353661657304182c77d9698a2978ee92eea8be4ac088153d47b821fdcd47f704003033041180001f888038f2c43ba93d0e6b000000000400a81c0201000201000201003011300f060a2b060106030f01010200410101";
/// Not signed: there is no such user; the signature was wrong.
const OTHERS: [(&str, Fault); 2] = [
    (
        "3074020103301102040183a6bb020300ffe304010002010304273025041180001f888038f2c43ba93d0e6b0000000002010102012404066e6f626f6479040004003033041180001f888038f2c43ba93d0e6b000000000400a81c0201000201000201003011300f060a2b060106030f01010300410101",
        Fault::User,
    ),
    (
        "30770201033011020470f8d9a7020300ffe3040100020103042a3028041180001f888038f2c43ba93d0e6b000000000201010201260409736861323536616573040004003033041180001f888038f2c43ba93d0e6b000000000400a81c0201000201000201003011300f060a2b060106030f01010500410101",
        Fault::Signature,
    ),
];
/// What `snmptrap` sent as sha256aes in the name of the same engine, 77 seconds after its third start.
const TRAP: &str = "3081cf0201033011020460afd117020300ffe3040103020103044a3048041180001f888038f2c43ba93d0e6b0000000002010302014d040973686132353661657304184aeb45744a98b871045cf56ffb365ca3f5b1b1aed0d949e90408b381ce7fc9d44adc046bd8467d6b5020352b93bab60d801cdeb9b6686c2e1e0a2a52ffd993456811db36244f20041a5f60c2e8720b9924ea5e892046f2eea24e33f1688ea991c59546f883694033fb9b74645963d4cdfe130fb8ae78e8c19a312110b7fedcd8999e1dff625c595a143a57ec18d058";
/// With what `snmpinform` begins.
const INFORM: &str = "304f0201033011020409ab94eb020300ffe30401040201030410300e04000201000201000400040004003025041180001f8880364a4b4dca3d0e6b000000000400a00e02040da076200201000201003000";

fn engine() -> Vec<u8> {
    bytes("80001f888038f2c43ba93d0e6b00000000")
}

fn key(auth: Auth, passphrase: &str) -> Key {
    let mut stretching = Stretching::new(auth, passphrase.as_bytes());
    loop {
        if let Some(key) = stretching.step() {
            return key.localized(auth, &engine());
        }
    }
}

fn security(auth: Auth, privacy: Option<Privacy>) -> Security {
    Security {
        auth: Some((auth, key(auth, "authpass1"))),
        privacy: privacy.map(|privacy| (privacy, key(auth, "privpass1"))),
    }
}

#[test]
fn requests_and_answers_of_net_snmp_are_read_and_made_again_byte_for_byte() {
    for (user, auth, privacy, request, answer) in RECORDED {
        let security = security(auth, privacy);
        let request = bytes(request);
        let read = decode(&request).unwrap();
        assert_eq!((read.envelope.user.as_slice(), read.envelope.is_reportable), (user.as_bytes(), true));
        assert_eq!((read.envelope.engine.id.clone(), read.envelope.engine.boots), (engine(), 1));
        let pdu = read.open(&security).unwrap();
        assert_eq!((pdu.kind, pdu.bindings.as_slice()), (Kind::Get, &[Binding::asked(SYS_DESCR)][..]));
        let salt = read.salt.try_into().map_or(0, u64::from_be_bytes);
        let made = encode(&read.envelope, &security, salt, &pdu);
        if privacy == Some(Privacy::Des) {
            // What fills the last block is anybody's, and the signature is over it too.
            let made = decode(&made).unwrap();
            assert_eq!((made.salt, made.data[..48] == read.data[..48]), (read.salt, true), "{user}");
            assert_eq!(made.open(&security), Ok(pdu.clone()));
        } else {
            assert_eq!(made, request, "{user}");
        }
        let answer = bytes(answer);
        let answer = decode(&answer).unwrap();
        assert_eq!((answer.envelope.id, answer.envelope.is_reportable), (read.envelope.id, false));
        let text = Value::Octets(b"test agent".to_vec());
        let pdu =
            Pdu::new(Kind::Response, pdu.request_id, vec![Binding { oid: SYS_DESCR.into(), value: text }]);
        assert_eq!(answer.open(&security), Ok(pdu), "{user}");
    }
}

#[test]
fn an_answer_that_is_changed_anywhere_is_refused_and_with_other_keys_too() {
    for (_, auth, privacy, _, answer) in RECORDED {
        let security = security(auth, privacy);
        let answer = bytes(answer);
        for bit in 0..answer.len() * 8 {
            let mut wrong = answer.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&wrong).ok().is_none_or(|wrong| wrong.open(&security).is_err()), "{bit}");
        }
        for end in 0..answer.len() {
            assert!(decode(&answer[..end]).is_err());
        }
        let more = [&answer[..], &[0]].concat();
        assert!(decode(&more).unwrap().open(&security).is_ok(), "what is behind is left");
        let read = decode(&answer).unwrap();
        let other = Security { auth: Some((auth, key(auth, "authpass2"))), ..security.clone() };
        assert_eq!(read.open(&other), Err(Refused::Signature));
        for less in [Security::default(), Security { auth: None, ..security.clone() }] {
            assert_eq!(read.open(&less), Err(Refused::Level));
        }
        if privacy.is_some() {
            let other = privacy.map(|privacy| (privacy, key(auth, "privpass2")));
            let other = Security { privacy: other, ..security.clone() };
            assert_eq!(read.open(&other), Err(Refused::Decryption));
            assert_eq!(read.open(&Security { privacy: None, ..security }), Err(Refused::Level));
        }
    }
}

#[test]
fn the_reports_of_an_engine_are_understood() {
    let [question, report] = DISCOVERY.map(bytes);
    let read = decode(&question).unwrap();
    let pdu = read.open(&Security::default()).unwrap();
    assert_eq!((read.envelope.engine.clone(), pdu.bindings.len()), (Engine::default(), 0));
    assert_eq!(encode(&read.envelope, &Security::default(), 0, &pdu), question);
    let read = decode(&report).unwrap();
    assert_eq!(read.envelope.engine, Engine { id: engine(), boots: 1, time: 2 });
    assert_eq!(Fault::of(&read.open(&Security::default()).unwrap()), Some(Fault::Engine));
    let report = bytes(NOT_IN_TIME);
    let pdu = decode(&report).unwrap().open(&security(Auth::Sha256, None)).unwrap();
    assert_eq!((pdu.kind, Fault::of(&pdu)), (Kind::Report, Some(Fault::Time)));
    for (report, fault) in OTHERS {
        let report = bytes(report);
        let pdu = decode(&report).unwrap().open(&Security::default()).unwrap();
        assert_eq!(Fault::of(&pdu), Some(fault));
    }
}

#[test]
fn a_trap_has_the_engine_of_the_card_and_an_inform_asks_for_ours() {
    let trap = bytes(TRAP);
    let read = decode(&trap).unwrap();
    assert_eq!(read.envelope.engine, Engine { id: engine(), boots: 3, time: 77 });
    let pdu = read.open(&security(Auth::Sha256, Some(Privacy::Aes))).unwrap();
    assert_eq!((pdu.kind, pdu.bindings.len()), (Kind::TrapV2, 3));
    assert!(!read.envelope.is_reportable);
    let inform = bytes(INFORM);
    let read = decode(&inform).unwrap();
    assert!(read.envelope.engine.id.is_empty() && read.envelope.is_reportable && !read.is_signed());
}

/// Something to begin with: messages of each kind.
fn messages() -> Vec<Vec<u8>> {
    let recorded = RECORDED.iter().flat_map(|(.., request, answer)| [*request, *answer]);
    recorded.chain(DISCOVERY).chain([NOT_IN_TIME, TRAP, INFORM]).map(bytes).collect()
}

proptest::proptest! {
    /// The short run of `fuzz/fuzz_targets/snmp.rs`.
    #[test]
    fn whatever_comes_is_a_message_that_somebody_with_the_keys_has_made_or_none(
        which in 0_usize..17,
        changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u8..), 1..4),
        cut in proptest::option::of(proptest::prelude::any::<proptest::sample::Index>()),
    ) {
        let mut message = messages().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] ^= byte;
        }
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len()));
        }
        let before = messages().swap_remove(which);
        if let Ok(read) = decode(&message) {
            let _ = read.open(&Security::default());
            // A key that signs nothing of these.
            let auth = Auth::Sha1;
            let foreign = Security { auth: Some((auth, Key(vec![7; 20]))), privacy: Some((Privacy::Des, Key(vec![7; 20]))) };
            proptest::prop_assert!(message == before || read.open(&foreign).is_err());
            let signed = Security { privacy: None, ..foreign };
            proptest::prop_assert!(read.open(&signed).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_none(bytes in proptest::collection::vec(0_u8.., 0..200)) {
        if let Ok(read) = decode(&bytes) {
            let _ = read.open(&Security::default());
        }
    }
}
