#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// mqtt.js, unmodified, over TCP and WebSocket: `node features.js TCP_PORT WEBSOCKET_PORT`. Scenario by scenario; the last line counts.
'use strict';

const assert = require('assert');
const mqtt = require('mqtt');

const [tcpPort, webPort] = process.argv.slice(2).map(Number);
const WAIT = 10000;
const SILENCE = 300;
const scenarios = [];
const scenario = (title, run) => scenarios.push([title, run]);
const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A promise that is refused when it takes too long. */
function soon(promise, what, milliseconds = WAIT) {
  let timer;
  const end = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no ${what} in time`)), milliseconds); });
  return Promise.race([promise, end]).finally(() => clearTimeout(timer));
}

/** One connection with what it was sent in a list, waited for. */
class Client {
  static async open(transport, version, options = {}) {
    const one = new Client();
    const url = transport === 'ws' ? `ws://127.0.0.1:${webPort}/mqtt` : `mqtt://127.0.0.1:${tcpPort}`;
    one.inbox = [];
    one.waiting = [];
    one.mqtt = mqtt.connect(url, { protocolVersion: version, protocolId: version === 3 ? 'MQIsdp' : 'MQTT', reconnectPeriod: 0,
      username: 'a', password: 'a', ...options });
    one.mqtt.on('message', (topic, payload, packet) => one.arrive({ topic, payload, packet }));
    one.mqtt.on('error', () => {});
    one.ended = new Promise((resolve) => one.mqtt.once('close', resolve));
    one.told = new Promise((resolve) => one.mqtt.once('disconnect', resolve));
    one.connack = await soon(new Promise((resolve, reject) => {
      one.mqtt.once('connect', resolve);
      one.mqtt.once('error', reject);
    }), 'CONNACK');
    return one;
  }

  arrive(message) {
    const next = this.waiting.shift();
    if (next) next(message); else this.inbox.push(message);
  }

  message() {
    if (this.inbox.length) return Promise.resolve(this.inbox.shift());
    return soon(new Promise((resolve) => this.waiting.push(resolve)), 'message');
  }

  async payloads(count) {
    const all = [];
    while (all.length < count) all.push((await this.message()).payload.toString());
    return all;
  }

  async silent(milliseconds = SILENCE) {
    await later(milliseconds);
    assert.deepStrictEqual(this.inbox.map((one) => [one.topic, one.payload.toString()]), []);
  }

  publish(topic, payload, options = { qos: 1 }) {
    return soon(this.mqtt.publishAsync(topic, payload, options), 'acknowledgement');
  }

  subscribe(topic, options = { qos: 1 }) {
    return soon(this.mqtt.subscribeAsync(topic, options), 'SUBACK');
  }

  unsubscribe(topic) {
    return soon(this.mqtt.unsubscribeAsync(topic), 'UNSUBACK');
  }

  async close() {
    await this.mqtt.endAsync(false);
  }

  async drop() {
    this.mqtt.stream.destroy();
    await soon(this.ended, 'close');
  }
}

const WAYS = [['tcp', 3], ['tcp', 4], ['tcp', 5], ['ws', 4], ['ws', 5]];

scenario('each version, transport and QoS: there and back, in order', async () => {
  for (const [transport, version] of WAYS) {
    const client = await Client.open(transport, version, { clientId: 'js-basic' });
    await client.subscribe('js/basic', { qos: 2 });
    for (const qos of [0, 1, 2]) {
      for (let number = 0; number < 20; number += 1) await client.publish('js/basic', `${qos}-${number}`, { qos });
      assert.deepStrictEqual(await client.payloads(20), [...Array(20).keys()].map((number) => `${qos}-${number}`));
    }
    await client.unsubscribe('js/basic');
    await client.publish('js/basic', 'gone');
    await client.silent(100);
    await client.close();
  }
});

scenario('payloads of every byte, of none, of the size of a WebSocket frame and of 1.5 MiB', async () => {
  for (const transport of ['tcp', 'ws']) {
    const client = await Client.open(transport, 5, { clientId: 'js-bodies' });
    await client.subscribe('js/bodies', { qos: 1 });
    // mqtt.js sends a payload as one frame, and a broker may refuse frames beyond 64 KiB.
    const large = Buffer.alloc(transport === 'ws' ? 65000 : 1536 * 1024, 'x');
    for (const body of [Buffer.from([...Array(256).keys()]), Buffer.alloc(0), large]) {
      await client.publish('js/bodies', body);
      assert(body.equals((await client.message()).payload), `${transport}: ${body.length}`);
    }
    await client.close();
  }
});

scenario('a thousand messages at once at QoS 2 over WebSocket', async () => {
  const client = await Client.open('ws', 5, { clientId: 'js-burst' });
  await client.subscribe('js/burst', { qos: 2 });
  await Promise.all([...Array(1000).keys()].map((number) => client.publish('js/burst', String(number), { qos: 2 })));
  assert.deepStrictEqual(await client.payloads(1000), [...Array(1000).keys()].map(String));
  await client.close();
});

scenario('a kept session: session present, and what came meanwhile', async () => {
  for (const [transport, version] of WAYS.slice(1)) {
    const options = { clientId: `js-kept-${transport}-${version}`, clean: false, ...(version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}) };
    let client = await Client.open(transport, version, options);
    assert.strictEqual(client.connack.sessionPresent, false);
    await client.subscribe('js/kept', { qos: 2 });
    await client.drop();
    const writer = await Client.open('tcp', 5, { clientId: 'js-writer' });
    for (let number = 0; number < 10; number += 1) await writer.publish('js/kept', String(number), { qos: 2 });
    await writer.close();
    client = await Client.open(transport, version, options);
    assert.strictEqual(client.connack.sessionPresent, true);
    assert.deepStrictEqual(await client.payloads(10), [...Array(10).keys()].map(String));
    await client.close();
    await (await Client.open(transport, version, { ...options, clean: true, properties: undefined })).close();
  }
});

scenario('mqtt.js reconnects by itself, and its session goes on', async () => {
  const client = await Client.open('tcp', 5, { clientId: 'js-again', clean: false, reconnectPeriod: 20, properties: { sessionExpiryInterval: 60 } });
  await client.subscribe('js/again', { qos: 1 });
  const back = new Promise((resolve) => client.mqtt.once('connect', resolve));
  client.mqtt.stream.destroy();
  assert.strictEqual((await soon(back, 'reconnection')).sessionPresent, true);
  await client.publish('js/again', 'still');
  assert.deepStrictEqual(await client.payloads(1), ['still']);
  await client.close();
});

scenario('properties of a message arrive unaltered', async () => {
  const client = await Client.open('tcp', 5, { clientId: 'js-properties' });
  await client.subscribe('js/properties', { qos: 1 });
  const properties = { payloadFormatIndicator: true, contentType: 'text/plain', responseTopic: 'js/answers', correlationData: Buffer.from([0, 1, 255]),
    userProperties: { a: ['1', '2'], b: '3' } };
  await client.publish('js/properties', 'x', { qos: 1, properties });
  const given = (await client.message()).packet.properties;
  for (const name of ['payloadFormatIndicator', 'contentType', 'responseTopic']) assert.strictEqual(given[name], properties[name]);
  assert(properties.correlationData.equals(given.correlationData));
  assert.deepStrictEqual({ ...given.userProperties }, properties.userProperties);
  await client.close();
});

scenario('request and response', async () => {
  const asker = await Client.open('ws', 5, { clientId: 'js-asker' });
  const answerer = await Client.open('tcp', 5, { clientId: 'js-answerer' });
  await answerer.subscribe('js/requests');
  await asker.subscribe('js/answers/+');
  await asker.publish('js/requests', 'q', { qos: 1, properties: { responseTopic: 'js/answers/1', correlationData: Buffer.from('c') } });
  const request = (await answerer.message()).packet.properties;
  await answerer.publish(request.responseTopic, 'a', { qos: 1, properties: { correlationData: request.correlationData } });
  const answer = await asker.message();
  assert.strictEqual(answer.topic, 'js/answers/1');
  assert.strictEqual(answer.packet.properties.correlationData.toString(), 'c');
  await Promise.all([asker.close(), answerer.close()]);
});

scenario('topic aliases both ways', async () => {
  const client = await Client.open('tcp', 5, { clientId: 'js-alias', autoAssignTopicAlias: true, properties: { topicAliasMaximum: 3 } });
  assert(client.connack.properties.topicAliasMaximum > 0);
  await client.subscribe('js/alias/+', { qos: 1 });
  const topics = [...Array(60).keys()].map((number) => `js/alias/${number % 5}`);
  for (const topic of topics) await client.publish(topic, topic);
  for (const topic of topics) {
    const came = await client.message();
    assert.strictEqual(came.topic, topic);
    assert.strictEqual(came.payload.toString(), topic);
  }
  await client.close();
});

scenario('subscription identifiers and options: no local, retain as published, retain handling', async () => {
  const client = await Client.open('tcp', 5, { clientId: 'js-options' });
  await client.subscribe('js/options/id', { qos: 1, properties: { subscriptionIdentifier: 77 } });
  await client.publish('js/options/id', 'x');
  assert.strictEqual((await client.message()).packet.properties.subscriptionIdentifier, 77);
  await client.subscribe('js/options/local', { qos: 1, nl: true });
  await client.publish('js/options/local', 'mine');
  await client.silent(100);
  await client.publish('js/options/kept', 'kept', { qos: 1, retain: true });
  await client.subscribe('js/options/kept', { qos: 1, rh: 2, rap: true });
  await client.silent(100);
  await client.publish('js/options/kept', 'live', { qos: 1, retain: true });
  assert.strictEqual((await client.message()).packet.retain, true);
  await client.publish('js/options/kept', '', { qos: 1, retain: true });
  await client.close();
});

scenario('shared subscriptions over both transports share', async () => {
  const members = [await Client.open('tcp', 5, { clientId: 'js-share-1' }), await Client.open('ws', 5, { clientId: 'js-share-2' }),
    await Client.open('tcp', 4, { clientId: 'js-share-3' })];
  for (const member of members) await member.subscribe('$share/js/js/shared', { qos: 1 });
  const writer = await Client.open('tcp', 5, { clientId: 'js-share-w' });
  for (let number = 0; number < 90; number += 1) await writer.publish('js/shared', String(number));
  const count = () => members.reduce((sum, member) => sum + member.inbox.length, 0);
  for (let waited = 0; count() < 90 && waited < WAIT; waited += 10) await later(10);
  await later(SILENCE / 3);
  const numbers = members.flatMap((member) => member.inbox.map((one) => Number(one.payload))).sort((a, b) => a - b);
  assert.deepStrictEqual(numbers, [...Array(90).keys()]);
  assert(members.every((member) => member.inbox.length > 0));
  await Promise.all([...members, writer].map((one) => one.close()));
});

scenario('a will with its properties, after a dropped WebSocket; none after a goodbye', async () => {
  const witness = await Client.open('tcp', 5, { clientId: 'js-witness' });
  await witness.subscribe('js/wills');
  const will = { topic: 'js/wills', payload: Buffer.from('gone'), qos: 1, retain: false, properties: { contentType: 'text', userProperties: { a: 'b' } } };
  const polite = await Client.open('ws', 5, { clientId: 'js-polite', will });
  await polite.close();
  await witness.silent();
  const mortal = await Client.open('ws', 5, { clientId: 'js-mortal', will });
  await mortal.drop();
  const came = await witness.message();
  assert.strictEqual(came.payload.toString(), 'gone');
  assert.strictEqual(came.packet.properties.contentType, 'text');
  assert.strictEqual(came.packet.properties.userProperties.a, 'b');
  await witness.close();
});

scenario('the same client id elsewhere: the old connection is told so', async () => {
  const old = await Client.open('tcp', 5, { clientId: 'js-twice' });
  const young = await Client.open('ws', 5, { clientId: 'js-twice' });
  assert.strictEqual((await soon(old.told, 'DISCONNECT')).reasonCode, 0x8E);
  await soon(old.ended, 'close');
  await young.close();
});

scenario('an empty client id is given one; receive maximum 1 gets all, one by one', async () => {
  const client = await Client.open('ws', 5, { clientId: '', properties: { receiveMaximum: 1 } });
  assert(client.connack.properties.assignedClientIdentifier);
  await client.subscribe('js/single', { qos: 2 });
  const writer = await Client.open('tcp', 5, { clientId: 'js-single-w' });
  for (let number = 0; number < 50; number += 1) await writer.publish('js/single', String(number), { qos: 2 });
  assert.deepStrictEqual(await client.payloads(50), [...Array(50).keys()].map(String));
  await Promise.all([client.close(), writer.close()]);
});

scenario('a retained message over WebSocket, and its deletion', async () => {
  const client = await Client.open('ws', 4, { clientId: 'js-retained' });
  await client.publish('js/retained', 'kept', { qos: 1, retain: true });
  await client.subscribe('js/retained');
  const came = await client.message();
  assert.strictEqual(came.payload.toString(), 'kept');
  assert.strictEqual(came.packet.retain, true);
  await client.publish('js/retained', '', { qos: 1, retain: true });
  await client.message();
  await client.unsubscribe('js/retained');
  await client.subscribe('js/retained');
  await client.silent();
  await client.close();
});

async function main() {
  let passed = 0;
  let failed = 0;
  for (const [title, run] of scenarios) {
    const began = Date.now();
    try {
      await soon(run(), 'end of the scenario', 60000);
      passed += 1;
      console.log(`ok      ${title} (${Date.now() - began} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${title}\n${error.stack}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
}

main();
