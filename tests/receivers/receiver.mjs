// A receiver of webhooks as a provider in JavaScript would write it, with the unmodified `standardwebhooks` package.
//
// It prints one JSON object a line: where it listens, then what it heard and whether the package took it for genuine. It is told on
// standard input, one a line: `secret whsec_...`, and `answers 500 200`: the statuses to answer with, the last one for all that
// follows; `hold` answers nothing. It ends with its standard input.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

let webhook = null;
let answers = ["200"];
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);

const isGenuine = (body, headers) => {
  try {
    webhook.verify(body, headers);
    return true;
  } catch {
    return false;
  }
};

// Would it have been taken by a clock that is past the five minutes that the specification allows?
const isGenuineLater = (body, headers) => {
  const now = Date.now;
  Date.now = () => now() + 301_000;
  try {
    return isGenuine(body, headers);
  } finally {
    Date.now = now;
  }
};

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts).toString("utf8");
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    say({
      id: request.headers["webhook-id"],
      signature: request.headers["webhook-signature"],
      genuine: isGenuine(body, request.headers),
      tampered: isGenuine(body.replace("{", "{ "), request.headers),
      late: isGenuineLater(body, request.headers),
      body,
    });
    if (answer !== "hold") {
      response.writeHead(Number(answer)).end();
    }
  });
});

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [word, ...rest] = line.split(" ");
    if (word === "secret") {
      webhook = new Webhook(rest[0]);
    } else {
      answers = rest;
    }
    say({ told: word });
  })
  .on("close", () => process.exit(0));

server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
