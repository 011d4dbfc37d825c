export { startApi } from "./start-api.ts";
