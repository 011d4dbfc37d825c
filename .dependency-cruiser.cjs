// The layers of docs/ARCHITECTURE.md as rules. A tier is entered from another one through its index.ts only.
const tests = "\\.test\\.tsx?$";
const notTests = `(${tests})|^test/|/testing/`;
const tiers = "(signaling|media|radio-bridge|api)";
/** A tier's entry, and that of a part which also runs as a role alone (signaling/edge). */
const indexes = [`^${tiers}/index\\.ts$`, `^${tiers}/[^/]+/index\\.ts$`];

/** A package that may be imported from one folder only, so that it can be replaced there. Examples are programs of others. */
const onlyFrom = (pkg, folder) => ({
  name: `${pkg}-in-one-folder`,
  comment: `${pkg} is wrapped in ${folder}; use what that folder exports`,
  severity: "error",
  from: { pathNot: `${notTests}|^${folder}|^scripts/|^examples/` },
  to: { path: `node_modules/${pkg.replace(".", "\\.")}/` },
});

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      comment: "modules that need each other cannot be understood, tested or replaced alone",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "common-is-the-bottom",
      comment: "common/ imports nothing of ours",
      severity: "error",
      from: { path: "^common/", pathNot: tests },
      to: { path: "^[a-z-]+(/|\\.ts$)", pathNot: "^(common|node_modules)/", dependencyTypesNot: ["core"] },
    },
    {
      name: "lower-tiers-know-nothing-above",
      comment: "state, media and radio-bridge never import signaling or api",
      severity: "error",
      from: { path: "^(state|media|radio-bridge)/", pathNot: tests },
      to: { path: "^(signaling|api)/" },
    },
    {
      name: "state-knows-no-tier",
      comment: "state/ is below every tier",
      severity: "error",
      from: { path: "^state/", pathNot: tests },
      to: { path: `^(${tiers.slice(1, -1)}|cli|console)/` },
    },
    {
      name: "tiers-meet-at-their-index",
      comment: "another tier is imported through an index.ts",
      severity: "error",
      from: { path: `^${tiers}/`, pathNot: notTests },
      to: { path: `^${tiers}/`, pathNot: ["^$1/", ...indexes] },
    },
    {
      name: "cli-enters-by-the-index",
      comment: "the command starts a tier through an index.ts",
      severity: "error",
      from: { path: "^(cli/|crossband\\.ts$)", pathNot: notTests },
      to: { path: `^${tiers}/`, pathNot: [...indexes, `^${tiers}/bench/`] },
    },
    {
      name: "console-stands-alone",
      comment: "the web page imports its own folder and types of common/",
      severity: "error",
      from: { path: "^console/", pathNot: tests },
      to: { path: "^(?!console/|common/|node_modules/)[a-z-]+(/|\\.ts$)" },
    },
    {
      name: "services-never-import-the-console",
      severity: "error",
      from: { pathNot: `${notTests}|^console/` },
      to: { path: "^console/" },
    },
    {
      name: "no-test-code-in-the-product",
      comment: "the benchmarks measure with the peers of the tests; nothing else does",
      severity: "error",
      from: { pathNot: `${notTests}|^cli/bench\\.ts$|/bench/` },
      to: { path: `${tests}|^test/` },
    },
    onlyFrom("ioredis", "state/"),
    onlyFrom("mediasoup", "media/webrtc/"),
    onlyFrom("drachtio-srf", "signaling/calls/.*drachtio"),
    onlyFrom("rtp-parser", "media/rtp/"),
    onlyFrom("sip.js", "console/"),
    {
      name: "no-missing-modules",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, pathNot: "^(cloudflare|virtual):" },
    },
    {
      name: "no-dev-packages-in-the-product",
      comment: "what runs in production is listed under dependencies; the console is compiled beforehand",
      severity: "error",
      from: { pathNot: `${notTests}|^(console|scripts)/|\\.config\\.[jt]s$|^\\.dependency-cruiser\\.cjs$` },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|coverage|test-results|\\.crossband)/" },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "node", "default"],
      extensions: [".ts", ".tsx", ".mjs", ".js", ".cjs", ".json"],
    },
  },
};
