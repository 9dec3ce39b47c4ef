import {
  BEARER_SUBPROTOCOL_PREFIX,
  CLIENT_FRAME_TYPES,
  SERVER_FRAME_TYPES,
  SUBPROTOCOL,
} from '@sluice/protocol';
import {
  errorCodeSchema,
  frameSchemas,
  generationItemSchema,
  itemSchema,
  messageItemSchema,
  serverFrameSchemas,
  usageSchema,
} from '@sluice/protocol/schema';
import { z } from 'zod';
import { withoutUnused } from './document-parts.ts';

/** Names of the parts: a type such as `signal` goes both ways, as two different frames. */
const clientMessage = (type: string): string => `client.${type}`;
const serverMessage = (type: string): string => `server.${type}`;

const refTo = (kind: 'messages' | 'schemas', name: string) => ({ $ref: `#/components/${kind}/${name}` });
const inChannel = (name: string) => ({ $ref: `#/channels/socket/messages/${name}` });

/** What frames have in common. */
const SHAPES = {
  Item: itemSchema,
  GenerationItem: generationItemSchema,
  MessageItem: messageItemSchema,
  Usage: usageSchema,
  ErrorCode: errorCodeSchema,
};

/** Every frame's schema and the shapes they share, as JSON Schema parts that refer to each other. */
const schemasOf = (): Record<string, object> => {
  const parts = z.registry<{ id: string }>();
  for (const type of CLIENT_FRAME_TYPES) parts.add(frameSchemas[type], { id: clientMessage(type) });
  for (const type of SERVER_FRAME_TYPES) parts.add(serverFrameSchemas[type], { id: serverMessage(type) });
  for (const [id, shape] of Object.entries(SHAPES)) parts.add(shape, { id });
  const { schemas } = z.toJSONSchema(parts, {
    io: 'input',
    target: 'draft-7',
    uri: (id) => `#/components/schemas/${id}`,
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _schema, $id: _id, ...schema }]) => [name, schema]),
  );
};

type Message = { readonly name: string; readonly type: string; readonly from: 'client' | 'server' };

const messageOf = ({ name, type, from }: Message) => ({
  name,
  title: type,
  summary: `The frame \`${type}\` from the ${from}.`,
  contentType: 'application/json',
  payload: refTo('schemas', name),
});

const operation = (action: 'receive' | 'send', summary: string, messages: readonly Message[]) => ({
  action,
  summary,
  channel: { $ref: '#/channels/socket' },
  security: [{ $ref: '#/components/securitySchemes/token' }],
  messages: messages.map(({ name }) => inChannel(name)),
});

/** The WebSocket as AsyncAPI 3.0: one channel, every frame either way. */
export const asyncApiDocument = () => {
  const received = CLIENT_FRAME_TYPES.map((type): Message => ({
    name: clientMessage(type),
    type,
    from: 'client',
  }));
  const sent = SERVER_FRAME_TYPES.map((type): Message => ({
    name: serverMessage(type),
    type,
    from: 'server',
  }));
  const all = [...received, ...sent];
  return withoutUnused({
    asyncapi: '3.0.0',
    info: {
      title: 'Sluice over WebSocket',
      version: '1',
      description:
        `Subprotocol \`${SUBPROTOCOL}\`; one JSON object per text frame. The credential comes as \`Authorization: Bearer\`, ` +
        `as subprotocol \`${BEARER_SUBPROTOCOL_PREFIX}<jwt>\`, or in the frame \`auth\`. docs/PROTOCOL.md says what it all means.`,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    channels: {
      socket: {
        address: '/v1/ws',
        description: 'Any number of sessions over one connection.',
        messages: Object.fromEntries(all.map(({ name }) => [name, refTo('messages', name)])),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
    },
    operations: {
      fromClient: operation('receive', 'What a client sends.', received),
      toClient: operation('send', 'What the server sends.', sent),
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      messages: Object.fromEntries(all.map((message) => [message.name, messageOf(message)])),
      schemas: schemasOf(),
    },
  });
};
