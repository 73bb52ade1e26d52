// Logs in and reads a document: BASE NAME PASSWORD DOCUMENT [ROOT].
const https = require("https");
const fs = require("fs");

const [base, username, password, id, root] = process.argv.slice(-5)[0].startsWith("https:")
  ? process.argv.slice(-5)
  : process.argv.slice(-4);
const ca = root && fs.readFileSync(root);

function answer(target, headers) {
  return new Promise((resolve, reject) => {
    https.get(target, { ca, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (body += part));
      response.on("end", () => resolve(body));
    }).on("error", reject);
  });
}

async function terminal() {
  const login = await answer(`${base}/session?${new URLSearchParams({ username, password })}`);
  const Authorization = `Bearer ${JSON.parse(login).Access_token}`;
  console.log(await answer(`${base}/Docs('${id}')`, { Authorization }));
}

terminal().catch((fault) => {
  console.error(fault);
  process.exit(1);
});
