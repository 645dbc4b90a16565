// Sends COUNT events with npm's splunk-logging, Splunk's own logging library: node send.js URL TOKEN COUNT
const {createRequire} = require("module");
const {Logger} = createRequire(process.cwd() + "/")("splunk-logging");
const [url, token, count] = process.argv.slice(2);
const logger = new Logger({url, token, maxBatchCount: 5});
let open = Number(count);
logger.error = (error) => { console.error(String(error)); process.exit(1); };
for (let i = 0; i < Number(count); ++i)
  logger.send({message: {number: i, text: "from splunk-logging, with \u20ac"}, metadata: {sourcetype: "js"}},
              (error, response, body) => {
                if (error || body.code !== 0) { console.error(error || JSON.stringify(body)); process.exit(1); }
                if ((open -= 5) <= 0) console.log("sent");
              });
