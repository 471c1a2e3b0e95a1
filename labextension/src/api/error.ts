import type { IErrorBody } from '../tokens';

/** The server did not do what was asked: it refused, it is not there, or it has no server half. */
export class TrackingError extends Error {
  /**
   * @param code - the server's `error_code`, or `SERVER_HALF_MISSING`, `UNREACHABLE`,
   *   `UNEXPECTED_ANSWER`, `DELETED` where there is none
   */
  constructor(
    readonly code: string,
    message: string
  ) {
    super(message);
    this.name = 'TrackingError';
  }
}

/** What an HTTP answer other than 2xx means. */
export function errorOf(status: number, body: unknown): TrackingError {
  if (isErrorBody(body)) {
    return new TrackingError(body.error_code, body.message);
  }
  if (status === 404) {
    return new TrackingError('SERVER_HALF_MISSING', '');
  }
  return new TrackingError('UNEXPECTED_ANSWER', String(status));
}

function isErrorBody(body: unknown): body is IErrorBody {
  return (
    typeof body === 'object' &&
    body !== null &&
    'error_code' in body &&
    typeof body.error_code === 'string' &&
    'message' in body &&
    typeof body.message === 'string'
  );
}
