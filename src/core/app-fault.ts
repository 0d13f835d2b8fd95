// What more is known of an error of an app: the `cause` of its GatewayError.

export interface AppFaultFields {
  readonly app: string;
  /** Of the VM that had the exchange, or 0. */
  readonly vm: number;
  /** Empty where no VM had the exchange. */
  readonly requestId: string;
  /** Of what was thrown, or empty. */
  readonly stack: string;
  /** The client may be told all of it. */
  readonly isDetailed: boolean;
}

export class AppFault {
  readonly fields: AppFaultFields;

  constructor(fields: AppFaultFields) {
    this.fields = fields;
  }

  static of(cause: unknown): AppFaultFields | null {
    return cause instanceof AppFault ? cause.fields : null;
  }
}
