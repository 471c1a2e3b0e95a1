// An OpenID provider for tests: the certified oidc-provider, with a login form that asks for a name alone.
//
// Usage: node oidc_provider.mjs MODULES CONFIG, where CONFIG is JSON: {port, clients, users}. `users` maps a name
// to further claims. PUT /tamper with JSON claims makes each later ID token carry them, signed as ever.
import { once } from "node:events";
import http from "node:http";
import { pathToFileURL } from "node:url";

const [modules, given] = process.argv.slice(2);
const { port, clients, users } = JSON.parse(given);
const load = (path) => import(pathToFileURL(`${modules}/${path}`).href);
const { Provider } = await load("oidc-provider/lib/index.js");
const jose = await load("jose/dist/webapi/index.js");

const { privateKey } = await jose.generateKeyPair("RS256", { extractable: true });
const jwk = { ...(await jose.exportJWK(privateKey)), kid: "tests", alg: "RS256", use: "sig" };
let tampered = {};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  jwks: { keys: [jwk] },
  cookies: { keys: ["tests"] },
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: false } },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  findAccount: (ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, preferred_username: sub, ...users[sub] }),
  }),
  // Nobody is asked to agree.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

provider.use(async (ctx, next) => {
  await next();
  if (ctx.oidc?.route === "token" && ctx.body?.id_token && Object.keys(tampered).length) {
    const claims = { ...jose.decodeJwt(ctx.body.id_token), ...tampered };
    const { alg, ...key } = jwk;
    const signer = await jose.importJWK(key, alg);
    ctx.body.id_token = await new jose.SignJWT(claims).setProtectedHeader({ alg, kid: "tests" }).sign(signer);
  }
});

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

const passed = provider.callback();
const server = http.createServer(async (request, response) => {
  if (request.url === "/health") {
    response.end("OK");
  } else if (request.url === "/tamper") {
    tampered = JSON.parse(await bodyOf(request));
    response.end("OK");
  } else if (request.url.startsWith("/interaction/") && request.method === "GET") {
    response.setHeader("Content-Type", "text/html");
    response.end('<link rel="icon" href="data:,"><form method="post"><label>Name <input name="name"></label><button>Go</button></form>');
  } else if (request.url.startsWith("/interaction/")) {
    const name = new URLSearchParams(await bodyOf(request)).get("name");
    const answer = users[name] ? { login: { accountId: name } } : { error: "access_denied" };
    await provider.interactionFinished(request, response, answer);
  } else {
    passed(request, response);
  }
});
server.listen(port, "127.0.0.1");
await once(server, "listening");
