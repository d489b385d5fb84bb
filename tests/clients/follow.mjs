// Follows a subscription with an unmodified client and prints what comes, one JSON a line: {"next": ...}, {"error": ...}, {"complete": true}.
//
//   node follow.mjs ws|sse URL KEY QUERY VARIABLES [COUNT]
//
// Ends after COUNT results, or with the subscription.
import { createClient as overSse } from "graphql-sse";
import { createClient as overWs } from "graphql-ws";
import WebSocket from "ws";

const [kind, url, key, query, variables, count] = process.argv.slice(2);
const authorization = `Bearer ${key}`;
const client =
  kind === "ws"
    ? overWs({
        url: url.replace("http", "ws"),
        webSocketImpl: WebSocket,
        connectionParams: { authorization },
        keepAlive: 200,
        retryAttempts: 0,
      })
    : overSse({ url, headers: { authorization }, retryAttempts: 0 });

const print = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);
let left = Number(count ?? Infinity);
const reason = (error) => ({ code: error.code, message: error.message ?? error.reason ?? String(error) });
await new Promise((done) => {
  const stop = client.subscribe(
    { query, variables: JSON.parse(variables) },
    {
      next: (result) => {
        print({ next: result });
        left -= 1;
        if (left === 0) stop();
      },
      error: (error) => {
        print({ error: reason(error) });
        done();
      },
      complete: () => {
        print({ complete: true });
        done();
      },
    },
  );
});
client.dispose();
