export { adminToken } from "./access/admin-token.ts";
export { startApi } from "./start-api.ts";
