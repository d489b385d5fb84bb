//! One row of the table: a request, and what is to be said of it.

use super::scene::Scene;
use almoner_tests::Reply;
use almoner_tests::client::Raw;
use reqwest::Method;

/// A request that is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What is wrong with it.
    pub(crate) name: String,
    method: Method,
    path: String,
    body: Vec<u8>,
    headers: Option<Vec<(String, String)>>,
    pointer: Option<String>,
    status: Option<u16>,
}

impl Case {
    /// A POST of this text as JSON.
    pub(crate) fn post(name: impl Into<String>, path: impl Into<String>, body: &str) -> Self {
        let path = path.into();
        let name = format!("{path} {}", name.into());
        let body = body.as_bytes().to_vec();
        Self { name, method: Method::POST, path, body, headers: None, pointer: None, status: None }
    }

    /// A GET.
    pub(crate) fn get(name: impl Into<String>, path: impl Into<String>) -> Self {
        Self { method: Method::GET, ..Self::post(name, path, "") }
    }

    /// By another method.
    pub(crate) fn method(mut self, method: Method) -> Self {
        self.name = format!("{method} {}", self.name);
        Self { method, ..self }
    }

    /// With this body, which need not be text.
    pub(crate) fn bytes(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    /// With these headers and no others.
    pub(crate) fn headers(self, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { headers: Some(headers), ..self }
    }

    /// The problem names this member.
    pub(crate) fn at(self, pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..self }
    }

    /// The problem has this status; else any of the 4xx.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The request as it is sent.
    pub(crate) fn raw(&self, scene: &Scene) -> Raw {
        let json = || vec![scene.client.authorization(), ("content-type".to_owned(), "application/json".to_owned())];
        Raw {
            method: self.method.clone(),
            path: self.path.clone(),
            headers: self.headers.clone().unwrap_or_else(json),
            body: self.body.clone(),
        }
    }

    /// What is not as it should be with the answer.
    pub(crate) async fn fault(&self, scene: &Scene) -> Option<String> {
        let reply = match scene.client.raw(self.raw(scene)).await {
            Ok(reply) => reply,
            Err(lost) => return Some(format!("no answer: {lost:?}")),
        };
        let sent = format!("{} {}", self.path, String::from_utf8_lossy(&self.body));
        self.fault_of(&reply).or_else(|| scene.leak(&reply, &sent)).map(|fault| {
            let text: String = reply.text().chars().take(300).collect();
            format!("{fault}: {} {text}", reply.status)
        })
    }

    fn fault_of(&self, reply: &Reply) -> Option<String> {
        if !(400..500).contains(&reply.status) {
            return Some("not a 4xx".to_owned());
        }
        if self.status.is_some_and(|status| status != reply.status) {
            return Some(format!("not {}", self.status.unwrap_or_default()));
        }
        if reply.header("content-type") != "application/problem+json" {
            return Some(format!("not a problem but {:?}", reply.header("content-type")));
        }
        let problem = reply.json();
        let said = |name: &str| problem[name].as_str().is_some_and(|text| !text.is_empty());
        if let Some(missing) = ["type", "title", "detail", "instance"].iter().find(|name| !said(name)) {
            return Some(format!("no {missing}"));
        }
        if problem["status"] != reply.status {
            return Some("its status is another one".to_owned());
        }
        if problem["instance"] != self.path.split('?').next().unwrap_or_default() {
            return Some("its instance is not the path".to_owned());
        }
        let pointer = self.pointer.as_ref()?;
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let found = errors.iter().find(|error| error["pointer"] == **pointer);
        match found.map(|error| error["detail"].as_str().is_some_and(|detail| !detail.is_empty())) {
            Some(true) => None,
            Some(false) => Some(format!("nothing is said of {pointer}")),
            None => Some(format!("{pointer:?} is not named")),
        }
    }
}
