/** Every failure that a caller may branch on. Add a code here before throwing it. */
export const ErrorCode = {
  ConfigInvalid: "CONFIG_INVALID",
  ProvisionInvalid: "PROVISION_INVALID",
  StateUnavailable: "STATE_UNAVAILABLE",
  ScriptMismatch: "SCRIPT_MISMATCH",
  RpcTimeout: "RPC_TIMEOUT",
  RpcRefused: "RPC_REFUSED",
  MessageMalformed: "MESSAGE_MALFORMED",
  MessageTooLarge: "MESSAGE_TOO_LARGE",
  HeaderInvalid: "HEADER_INVALID",
  DialogUnknown: "DIALOG_UNKNOWN",
  TransactionUnknown: "TRANSACTION_UNKNOWN",
  FlowGone: "FLOW_GONE",
  SdpInvalid: "SDP_INVALID",
  SdpNotAcceptable: "SDP_NOT_ACCEPTABLE",
  PortsExhausted: "PORTS_EXHAUSTED",
  WorkerUnavailable: "WORKER_UNAVAILABLE",
  FrameMalformed: "FRAME_MALFORMED",
  FieldOutOfRange: "FIELD_OUT_OF_RANGE",
  SetupFailed: "SETUP_FAILED",
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** The one exception class of the project: branch on `code`, log `context`. */
export class CrossbandError extends Error {
  override readonly name: string = "CrossbandError";
  readonly code: ErrorCode;
  /** Values for the log line; never put them in the message, so that messages group. */
  readonly context: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    context: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.context = context;
  }
}
