/* global window, navigator, RTCPeerConnection */
// A browser that only negotiates: for tests of the media tier, without SIP.
(() => {
  let connection;
  let microphone;
  let camera;

  function open() {
    connection = new RTCPeerConnection({
      bundlePolicy: "max-bundle",
      rtcpMuxPolicy: "require",
      iceServers: [],
    });
    connection.addEventListener("track", ({ track }) => {
      if (track.kind === "audio") window.testMedia.listen(track);
    });
  }

  const sound = { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } };
  const picture = { video: { width: 320, height: 240, frameRate: 15 } };

  async function attachCamera(on) {
    const line = connection.getTransceivers().find(({ mid }) => mid === "1");
    if (line === undefined) return;
    camera?.stop();
    camera = on ? (await navigator.mediaDevices.getUserMedia(picture)).getVideoTracks()[0] : undefined;
    await line.sender.replaceTrack(camera ?? null);
    line.direction = on ? "sendonly" : "inactive";
  }

  window.testPeer = {
    /** Answers the server's offer, the first one or a later one. */
    async answer(sdp, { withCamera = false } = {}) {
      if (connection === undefined) open();
      await connection.setRemoteDescription({ type: "offer", sdp });
      microphone ??= (await navigator.mediaDevices.getUserMedia(sound)).getAudioTracks()[0];
      const line = connection.getTransceivers().find(({ mid }) => mid === "0");
      await line.sender.replaceTrack(microphone);
      line.direction = "sendrecv";
      if (withCamera) await attachCamera(true);
      await connection.setLocalDescription(await connection.createAnswer());
      return connection.localDescription.sdp;
    },
    /** Opens a call of its own: one line of sound. */
    async offer() {
      open();
      microphone = (await navigator.mediaDevices.getUserMedia(sound)).getAudioTracks()[0];
      connection.addTransceiver(microphone, { direction: "sendrecv" });
      await connection.setLocalDescription(await connection.createOffer());
      return connection.localDescription.sdp;
    },
    /** Offers a change within the call. */
    async reoffer({ hold = false, withCamera } = {}) {
      if (withCamera !== undefined) await attachCamera(withCamera);
      for (const line of connection.getTransceivers()) {
        if (line.receiver.track.kind === "audio") line.direction = hold ? "sendonly" : "sendrecv";
        else if (line.sender.track) line.direction = hold ? "inactive" : "sendonly";
        else line.direction = hold || line.mid === "1" ? "inactive" : "recvonly";
      }
      await connection.setLocalDescription(await connection.createOffer());
      return connection.localDescription.sdp;
    },
    accept: (sdp) => connection.setRemoteDescription({ type: "answer", sdp }),
    close: () => connection.close(),
  };
})();
