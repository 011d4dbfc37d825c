import { Cluster, type ClusterNode, type RedisOptions } from "ioredis";

type SentCommand = Parameters<Cluster["sendCommand"]>[0];
type Rest = [stream?: Parameters<Cluster["sendCommand"]>[1], node?: Parameters<Cluster["sendCommand"]>[2]];

/**
 * A cluster whose commands fail when their time is over. The library times those alone that it has a node for: while it finds
 * none they would wait for ever, and be carried out when whoever gave them has long gone.
 */
export class PatientCluster extends Cluster {
  private readonly commandTimeoutMs: number | undefined;

  constructor(nodes: ClusterNode[], redisOptions: Omit<RedisOptions, "replyMapping">) {
    super(nodes, { redisOptions });
    this.commandTimeoutMs = redisOptions.commandTimeout;
  }

  override sendCommand(command: SentCommand, ...rest: Rest): unknown {
    if (command.isSettled) return command.promise;
    if (this.commandTimeoutMs !== undefined) command.setTimeout(this.commandTimeoutMs);
    return super.sendCommand(command, ...rest);
  }
}
