// The policy `ip_filter`: answers 403 to a client by its address. Runs in data threads.

import type { IpFilterSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import { matchesAny } from "../../core/ip.ts";
import { failExchange } from "../pipeline.ts";
import { type Policy, Step } from "./policy.ts";

export function createIpFilter({ allow, deny }: IpFilterSpec): Policy {
  return {
    enter(exchange) {
      const { clientAddress } = exchange;
      const isAllowed = allow === null || matchesAny(allow, clientAddress);
      if (isAllowed && !matchesAny(deny, clientAddress)) return Step.goOn;
      failExchange(exchange, new GatewayError("client_denied", `${clientAddress} may not come in here`));
      return Step.answered;
    },
  };
}
