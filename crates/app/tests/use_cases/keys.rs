//! API keys: shown once, kept as a hash, revoked for good.

use crate::house::{app, gate_of, name, tenant};
use almoner_app::keys::{self, IssueKeyError, NewKey, RevokeKeyError, RotateKeyError};
use almoner_domain::key::{KeyHash, KeyKind};

fn new() -> NewKey {
    NewKey { kind: KeyKind::Gate, holder: None, name: name("shop") }
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_its_hash() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    let issued = keys::issue(&staff, &app, new()).await.unwrap();
    let kept = issued.key.clone();
    let printed = format!("{issued:?}");
    let plain = issued.plain.reveal();
    assert!(!printed.contains(&plain));
    assert!(plain.starts_with("alm_live_gate_"));
    assert_eq!(kept.hash, KeyHash::of(&plain));
    assert_eq!(keys::list(&staff, &app).await.unwrap(), vec![kept]);
    let refused = keys::issue(&gate_of(&staff, &app), &app, new()).await;
    assert!(matches!(refused, Err(IssueKeyError::Forbidden(_))), "{refused:?}");
}

#[tokio::test]
async fn rotation_leaves_both_keys_valid_until_the_old_one_is_revoked() {
    let (app, clock) = app();
    let (_, staff) = tenant(&app, "one").await;
    let (_, other) = tenant(&app, "two").await;
    let old = keys::issue(&staff, &app, new()).await.unwrap().key;
    clock.advance(std::time::Duration::from_secs(1));
    let refused = keys::rotate(&other, &app, old.id).await;
    assert!(matches!(refused, Err(RotateKeyError::NotFound(_))), "{refused:?}");
    let next = keys::rotate(&staff, &app, old.id).await.unwrap().key;
    assert_eq!((next.kind, &next.name), (old.kind, &old.name));
    let valid = async || keys::list(&staff, &app).await.unwrap().iter().filter(|k| k.revoked_at.is_none()).count();
    assert_eq!(valid().await, 2);
    let refused = keys::revoke(&other, &app, old.id).await;
    assert!(matches!(refused, Err(RevokeKeyError::NotFound(_))), "{refused:?}");
    keys::revoke(&staff, &app, old.id).await.unwrap();
    assert_eq!(valid().await, 1);
    let refused = keys::revoke(&staff, &app, old.id).await;
    assert!(matches!(refused, Err(RevokeKeyError::NotFound(_))), "{refused:?}");
    let refused = keys::rotate(&staff, &app, old.id).await;
    assert!(matches!(refused, Err(RotateKeyError::NotFound(_))), "{refused:?}");
}

#[tokio::test]
async fn keys_are_bounded() {
    let (app, _) = app();
    let (_, staff) = tenant(&app, "one").await;
    let first = keys::issue(&staff, &app, new()).await.unwrap().key;
    for _ in 1..keys::KEYS_MAX {
        keys::issue(&staff, &app, new()).await.unwrap();
    }
    assert!(matches!(keys::issue(&staff, &app, new()).await, Err(IssueKeyError::TooMany)));
    keys::revoke(&staff, &app, first.id).await.unwrap();
    keys::issue(&staff, &app, new()).await.unwrap();
}
