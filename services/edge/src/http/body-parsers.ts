import { errorCodes } from 'fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/**
 * What bodies may be. Many clients call every request JSON, or a form, those without a body too: where there is nothing to
 * parse its type does not matter, and a route that needs a body says so itself.
 */
export const parseBodies = (app: FastifyInstance): void => {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['text/plain', 'application/json']);
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null);
    else void parse(request, body, done);
  });
  app.addContentTypeParser('*', (request, _payload, done) => {
    if (isEmpty(request)) done(null);
    else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE());
  });
};

const isEmpty = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
