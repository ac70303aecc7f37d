// SPDX-License-Identifier: MIT
// node roundtrip.js URL PROTOCOL_VERSION QOS TOPIC [CA_FILE]: subscribes, publishes, prints the message that came back as JSON.
const fs = require('fs');
const mqtt = require('mqtt');

const [url, version, qos, topic, ca] = process.argv.slice(2);
const protocolVersion = Number(version);
const client = mqtt.connect(url, {
  protocolVersion,
  protocolId: protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
  reconnectPeriod: 0,
  connectTimeout: 5000,
  ca: ca && fs.readFileSync(ca),
});

const fail = (error) => {
  console.error(error);
  process.exit(1);
};
setTimeout(() => fail('no message within 10 s'), 10000).unref();

const message = new Promise((resolve) => {
  client.on('message', (name, payload, packet) => resolve({ topic: name, payload: payload.toString(), qos: packet.qos }));
});
client.on('error', fail);
client.on('connect', async () => {
  try {
    const [granted] = await client.subscribeAsync(topic, { qos: Number(qos) });
    if (granted.qos !== Number(qos)) throw new Error(`granted ${granted.qos}`);
    await client.publishAsync(topic, 'from node', { qos: Number(qos) });
    console.log(JSON.stringify(await message));
    await client.endAsync();
    process.exit(0);
  } catch (error) {
    fail(error);
  }
});
