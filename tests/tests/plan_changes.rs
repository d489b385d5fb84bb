//! Plans that change: what staff see before, what they do, and what the gate then says.

use almoner_tests::wait::{ahead, now};
use almoner_tests::{Call, Carve, Client, Database, Server, eventually, on_each_database};
use serde_json::{Value, json};
use std::time::Duration;

const GENERATE: &str = "image.generate";

on_each_database! {
    a_change_does_what_its_preview_said_and_the_gate_knows_at_once;
    live_allocations_follow_the_rule_of_the_plan_that_is_left;
    a_change_at_the_periods_end_comes_with_the_next_period;
    what_is_paused_is_denied_until_it_is_resumed;
    a_trial_says_when_it_ends;
    what_cannot_be_changed_says_why;
}

struct Staff(Client);

impl Staff {
    fn of(server: &Server) -> Self {
        Self(server.client().with_key(&server.shop.operator_key))
    }

    async fn ask(&self, query: &str) -> Value {
        self.0.graphql(query, json!({})).await
    }

    /// A mutation, or its refusals.
    async fn tell(&self, mutation: &str) -> Value {
        let name = mutation.split('(').next().unwrap_or_default();
        self.ask(&format!("mutation {{ {mutation} }}")).await[name].clone()
    }

    /// A mutation that is not refused.
    async fn done(&self, mutation: &str) -> Value {
        let payload = self.tell(mutation).await;
        assert_eq!(payload["refusals"], json!([]), "{mutation}: {payload}");
        payload
    }

    /// A plan of so many generations in each period, and what it says of live allocations.
    async fn plan(&self, id: &str, amount: i64, period: &str, rule: &str) {
        self.done(&format!(
            "createPlan(input: {{ externalId: \"{id}\", name: \"{id}\" }}) {{ refusals {{ message }} }}"
        ))
        .await;
        self.done(&format!(
            "publishPlan(input: {{ plan: \"{id}\", liveRule: {rule}, \
             lines: [{{ feature: \"{GENERATE}\", amount: \"{amount}\", period: {period} }}] }}) \
             {{ planVersion {{ liveRule }} refusals {{ message }} }}"
        ))
        .await;
    }

    async fn change(&self, plan: &str, when: &str) -> Value {
        let inner = "planChange { takesEffectAt isScheduled subscription { planVersion { plan { externalId } } } \
            features { feature { key } granted takenBack pending lapsed restarts allocations { allocation { id } returned ends } } }";
        let input = format!("{{ customer: \"acme-shop\", plan: \"{plan}\", when: {when} }}");
        self.done(&format!("changePlan(input: {input}) {{ {inner} refusals {{ message }} }}")).await["planChange"]
            .clone()
    }

    /// What a change to a plan would do, or what cancelling would.
    async fn preview(&self, plan: Option<&str>, when: &str) -> Value {
        let plan = plan.map_or(String::new(), |plan| format!(", plan: \"{plan}\""));
        let inner = "takesEffectAt liveRule refusals { code message path } \
            features { feature { key } granted takenBack pending lapsed restarts allocations { allocation { id } returned ends } }";
        let query = format!("{{ previewPlanChange(customer: \"acme-shop\"{plan}, when: {when}) {{ {inner} }} }}");
        self.ask(&query).await["previewPlanChange"].clone()
    }

    async fn subscription(&self, customer: &str) -> Value {
        let inner = "pausedAt trialEndsAt endedAt scheduledChange { at endsTrial plan { externalId } } planVersion { plan { externalId } }";
        let query = format!(
            "{{ customer(id: \"{customer}\") {{ subscriptions(first: 1) {{ edges {{ node {{ {inner} }} }} }} }} }}"
        );
        self.ask(&query).await["customer"]["subscriptions"]["edges"][0]["node"].clone()
    }

    /// Granted, free and pending of acme's generations.
    async fn quota(&self) -> [String; 3] {
        let query =
            "{ customer(id: \"acme-shop\") { entitlements { feature { key } pending balance { granted free } } } }";
        let all = self.ask(query).await["customer"]["entitlements"].as_array().expect("a list").clone();
        let own = all.into_iter().find(|one| one["feature"]["key"] == GENERATE).expect("generations");
        [&own["balance"]["granted"], &own["balance"]["free"], &own["pending"]]
            .map(|text| text.as_str().expect("an amount").to_owned())
    }
}

/// What a change does to generations.
fn generations(change: &Value) -> Value {
    let all = change["features"].as_array().expect("a list").iter();
    all.clone().find(|one| one["feature"]["key"] == GENERATE).expect("generations").clone()
}

fn amounts(change: &Value) -> [Value; 4] {
    let own = generations(change);
    ["granted", "takenBack", "pending", "lapsed"].map(|name| own[name].clone())
}

async fn spend(client: &Client, amount: i64) -> bool {
    client.consume(&Call::of("acme-shop").uses(GENERATE, amount)).await.allowed()
}

async fn a_change_does_what_its_preview_said_and_the_gate_knows_at_once(database: Database) {
    let server = Server::start(database).await;
    let (client, staff) = (server.client(), Staff::of(&server));
    assert!(spend(&client, 30).await);
    staff.plan("starter", 100, "MONTH", "KEEP").await;
    let before = staff.quota().await;
    let seen = staff.preview(Some("starter"), "NOW").await;
    assert_eq!(seen["liveRule"], "KEEP");
    assert_eq!(amounts(&seen), ["0", "900", "0", "0"].map(Value::from));
    assert_eq!(staff.quota().await[0], before[0], "a preview changes nothing");
    let changed = staff.change("starter", "NOW").await;
    assert_eq!(amounts(&changed), amounts(&seen));
    assert_eq!(changed["isScheduled"], false);
    let uploads =
        changed["features"].as_array().expect("a list").iter().find(|one| one["feature"]["key"] == "image.upload");
    assert_eq!(uploads.expect("uploads end")["lapsed"], "500");
    assert!(spend(&client, 70).await);
    let denied = client.consume(&Call::of("acme-shop").uses(GENERATE, 1)).await;
    assert_eq!((denied.reason(), denied.remaining(GENERATE)), ("exhausted", 0), "{denied:?}");
    // Until it hears of the change it says that none of them is left.
    eventually("the gate hears that uploads are no more", async || {
        let said = client.check(&Call::of("acme-shop").uses("image.upload", 1)).await;
        (!said.allowed() && said.reason() == "not_entitled").then_some(())
    })
    .await;

    let back = staff.change("pro", "NOW").await;
    assert_eq!(amounts(&back), ["900", "0", "0", "0"].map(Value::from));
    assert!(spend(&client, 900).await, "all of it, in the same month");
    assert!(!spend(&client, 1).await);
    assert_eq!(staff.quota().await, ["1000", "0", "0"]);
    let trail = staff.ask("{ audit(first: 2) { edges { node { action role note } } } }").await;
    let actions: Vec<&Value> =
        trail["audit"]["edges"].as_array().expect("a list").iter().map(|edge| &edge["node"]["action"]).collect();
    assert_eq!(actions, ["subscription.change", "subscription.change"]);
    server.end().await;
}

async fn live_allocations_follow_the_rule_of_the_plan_that_is_left(database: Database) {
    let server = Server::start(database).await;
    let (client, staff) = (server.client(), Staff::of(&server));
    for (plan, quota, rule) in [("keeping", 500, "KEEP"), ("shrinking", 1_000, "SHRINK"), ("ending", 1_000, "END")] {
        staff.plan(plan, quota, "MONTH", rule).await;
    }
    let carve = async |session: &str| {
        let carve = Carve::of_user("acme-shop", "ada", session).line(GENERATE, 400);
        client.carve(&carve).await.id().to_owned()
    };
    // By the rule of the seeded plan an allocation lives on, and what it returns is taken.
    let kept = carve("kept").await;
    assert!(client.consume(&Call::on(&kept).uses(GENERATE, 50)).await.allowed());
    staff.plan("least", 300, "MONTH", "KEEP").await;
    assert_eq!(amounts(&staff.change("least", "NOW").await), ["0", "600", "100", "0"].map(Value::from));
    assert_eq!(staff.quota().await, ["400", "0", "100"]);
    assert!(client.consume(&Call::on(&kept).uses(GENERATE, 50)).await.allowed(), "it lives");
    client.close(&kept).await;
    assert_eq!(staff.quota().await, ["300", "200", "0"], "of 300 that return 100 were owed");

    staff.change("shrinking", "NOW").await;
    let card = carve("shrunk").await;
    assert!(client.consume(&Call::on(&card).uses(GENERATE, 50)).await.allowed());
    let seen = staff.preview(Some("keeping"), "NOW").await;
    assert_eq!(seen["liveRule"], "SHRINK");
    assert_eq!(generations(&seen)["allocations"], json!([]), "500 are free beside it");
    staff.change("least", "NOW").await;
    let line = client.statement(&card).await.line(GENERATE);
    assert_eq!((line.granted, line.used), (200, 50), "it gave 200 of its 400");
    client.close(&card).await;

    staff.change("ending", "NOW").await;
    let card = carve("ended").await;
    assert!(client.consume(&Call::on(&card).uses(GENERATE, 50)).await.allowed());
    let seen = staff.preview(Some("least"), "NOW").await;
    assert_eq!(
        generations(&seen)["allocations"],
        json!([{ "allocation": { "id": card }, "returned": "350", "ends": true }])
    );
    let changed = staff.change("least", "NOW").await;
    assert_eq!(generations(&changed)["allocations"], generations(&seen)["allocations"]);
    assert_eq!(client.consume(&Call::on(&card).uses(GENERATE, 1)).await.reason(), "expired");
    assert_eq!(client.statement(&card).await.state(), "closed");
    assert_eq!(staff.quota().await, ["300", "100", "0"], "200 were used in all");
    server.end().await;
}

async fn a_change_at_the_periods_end_comes_with_the_next_period(database: Database) {
    let server = Server::start(database).await;
    let (client, staff) = (server.client(), Staff::of(&server));
    staff.plan("hourly", 50, "HOUR", "KEEP").await;
    staff.plan("hourly-less", 2, "HOUR", "KEEP").await;
    staff.done("addCustomer(input: { externalId: \"new\", name: \"New\" }) { refusals { message } }").await;
    // An hour of it is nearly over.
    let anchor = now().as_micros() - 3_600_000_000 + 15_000_000;
    let anchor = almoner_domain::time::Timestamp::from_micros(anchor);
    let input = format!("{{ customer: \"new\", plan: \"hourly\", anchor: \"{anchor}\" }}");
    staff.done(&format!("subscribe(input: {input}) {{ refusals {{ message }} }}")).await;
    let call = |amount| Call::of("new").uses(GENERATE, amount);
    assert!(client.consume(&call(3)).await.allowed());
    let input = "{ customer: \"new\", plan: \"hourly-less\", when: PERIOD_END }";
    let scheduled = staff
        .done(&format!(
            "changePlan(input: {input}) {{ planChange {{ isScheduled takesEffectAt }} refusals {{ message }} }}"
        ))
        .await;
    assert_eq!(scheduled["planChange"]["isScheduled"], true);
    let shown = staff.subscription("new").await;
    assert_eq!(shown["scheduledChange"]["at"], scheduled["planChange"]["takesEffectAt"]);
    assert_eq!(shown["scheduledChange"]["plan"]["externalId"], "hourly-less");
    assert_eq!(shown["trialEndsAt"], Value::Null);
    // Whoever comes first, a call or the runner: from the end of the hour on there are two.
    let first = eventually("the hour turns", async || {
        let said = client.check(&call(1)).await;
        (said.remaining(GENERATE) <= 2).then_some(said)
    });
    let first = first.await;
    assert!(first.allowed(), "the next hour began with two: {first:?}");
    for _ in 0..2 {
        assert!(client.consume(&call(1)).await.allowed());
    }
    assert_eq!(client.consume(&call(1)).await.reason(), "exhausted");
    let shown = staff.subscription("new").await;
    assert_eq!(
        (&shown["planVersion"]["plan"]["externalId"], &shown["scheduledChange"]),
        (&json!("hourly-less"), &Value::Null)
    );
    server.end().await;
}

async fn what_is_paused_is_denied_until_it_is_resumed(database: Database) {
    let server = Server::start(database).await;
    let (client, staff) = (server.client(), Staff::of(&server));
    let card = client.carve(&Carve::of_user("acme-shop", "ada", "task").line(GENERATE, 10)).await.id().to_owned();
    let calls = [
        Call::on(&card).uses(GENERATE, 1),
        Call::of("acme-shop").uses(GENERATE, 1),
        Call::of("acme-shop").asks("image.background_removal"),
    ];
    for call in &calls {
        assert!(client.consume(call).await.allowed());
    }
    staff.done("pauseSubscription(customer: \"acme-shop\") { subscription { pausedAt } refusals { message } }").await;
    assert!(staff.subscription("acme-shop").await["pausedAt"].is_string());
    for call in &calls {
        let denied = eventually("the gate hears of the pause", async || {
            let said = client.check(call).await;
            (!said.allowed()).then_some(said)
        });
        let denied = denied.await;
        assert_eq!((denied.reason(), denied.level()), ("suspended", "customer"), "{denied:?}");
        assert!(denied.message().contains("paused"), "{}", denied.message());
    }
    let refused = client.post("/v1/allocations", &Carve::of_user("acme-shop", "ada", "more").line(GENERATE, 1).0).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("paused"), "{}", refused.text());
    let mut ticket = Call::of_user("acme-shop", "ada").uses("support.reply", 1);
    ticket.0["agent"] = "support".into();
    ticket.0["session"] = json!({ "kind": "support_ticket", "key": "T-paused" });
    assert_eq!(client.consume(&ticket).await.reason(), "suspended", "no policy makes an allocation");
    let twice = staff.tell("pauseSubscription(customer: \"acme-shop\") { refusals { code } }").await;
    assert_eq!(twice["refusals"][0]["code"], "CONFLICT");

    staff.done("resumeSubscription(customer: \"acme-shop\") { refusals { message } }").await;
    for call in &calls {
        eventually("the gate hears that it goes on", async || client.check(call).await.allowed().then_some(())).await;
        assert!(client.consume(call).await.allowed());
    }
    assert_eq!(client.statement(&card).await.line(GENERATE).used, 2, "nothing was lost, and nothing spent meanwhile");
    server.end().await;
}

async fn a_trial_says_when_it_ends(database: Database) {
    let server = Server::start(database).await;
    let staff = Staff::of(&server);
    staff.plan("small", 5, "MONTH", "KEEP").await;
    let add = "addCustomer(input: { externalId: \"new\", name: \"New\" }) { refusals { message } }";
    staff.done(add).await;
    let subscribe = |trial: &str| {
        format!(
            "subscribe(input: {{ customer: \"new\", plan: \"pro\", trial: {trial} }}) \
             {{ subscription {{ trialEndsAt }} refusals {{ code path message }} }}"
        )
    };
    for (trial, path) in [("{ days: 0 }", "days"), ("{ days: 400 }", "days"), ("{ days: 1, then: \"none\" }", "then")] {
        let refused = staff.tell(&subscribe(trial)).await;
        assert_eq!(refused["refusals"][0]["path"], json!(["trial", path]), "{refused}");
    }
    let soon = ahead(Duration::from_secs(14 * 24 * 3_600));
    let subscribed = staff.done(&subscribe("{ days: 14, then: \"small\" }")).await;
    let ends = subscribed["subscription"]["trialEndsAt"].as_str().expect("an end").to_owned();
    assert!(ends >= soon, "{ends} is two weeks ahead");
    let shown = staff.subscription("new").await;
    assert_eq!(shown["scheduledChange"], json!({ "at": ends, "endsTrial": true, "plan": { "externalId": "small" } }));
    // Whoever takes a plan in the meantime has no trial any more.
    staff
        .done("changePlan(input: { customer: \"new\", plan: \"small\" }) { planChange { isScheduled } refusals { message } }")
        .await;
    let shown = staff.subscription("new").await;
    assert_eq!((&shown["trialEndsAt"], &shown["scheduledChange"]), (&Value::Null, &Value::Null));
    server.end().await;
}

async fn what_cannot_be_changed_says_why(database: Database) {
    let server = Server::start(database).await;
    let staff = Staff::of(&server);
    staff.plan("for-ever", 5, "NEVER", "KEEP").await;
    let before = staff.quota().await;
    let code = |answer: &Value| (answer["refusals"][0]["code"].clone(), answer["refusals"][0]["path"].clone());
    for (plan, when, expected, path) in [
        (Some("none"), "NOW", "NOT_FOUND", "plan"),
        (Some(""), "NOW", "INVALID", "plan"),
        (Some("pro"), "PERIOD_END", "CONFLICT", "plan"),
    ] {
        assert_eq!(code(&staff.preview(plan, when).await), (json!(expected), json!([path])), "{plan:?} {when}");
    }
    let ending = staff.preview(None, "PERIOD_END").await;
    assert!(ending["takesEffectAt"].as_str().expect("an end") > now().to_string().as_str(), "{ending}");
    let cancel = |when: &str| {
        format!(
            "cancelSubscription(customer: \"acme-shop\", when: {when}) {{ subscription {{ scheduledChange {{ at plan {{ externalId }} }} }} \
             refusals {{ code path message }} }}"
        )
    };
    let cancelled = staff.done(&cancel("PERIOD_END")).await;
    assert_eq!(cancelled["subscription"]["scheduledChange"]["at"], ending["takesEffectAt"]);
    let again = staff.tell(&cancel("PERIOD_END")).await;
    assert_eq!(code(&again), (json!("CONFLICT"), json!(["when"])), "{again}");
    assert!(again["refusals"][0]["message"].as_str().is_some_and(|said| said.contains("withdraw")), "{again}");
    let withdraw =
        "withdrawPlanChange(customer: \"acme-shop\") { subscription { scheduledChange { at } } refusals { code } }";
    assert_eq!(staff.done(withdraw).await["subscription"]["scheduledChange"], Value::Null);
    assert_eq!(staff.tell(withdraw).await["refusals"][0]["code"], "CONFLICT");
    assert_eq!(staff.quota().await, before, "nothing changed");
    staff.change("for-ever", "NOW").await;
    let never = staff.tell(&cancel("PERIOD_END")).await;
    assert!(never["refusals"][0]["message"].as_str().is_some_and(|said| said.contains("renews")), "{never}");
    staff.done(&cancel("NOW")).await;
    let gone = staff.tell(&cancel("NOW")).await;
    assert_eq!(code(&gone), (json!("CONFLICT"), json!(["customer"])), "{gone}");
    server.end().await;
}
