/* global window, navigator, document, AudioContext, MediaStream, MediaStreamTrackProcessor, RTCPeerConnection, btoa */
// Runs in a page before its own scripts. It notes every peer connection, records what is heard on each, and puts a microphone
// into the tests' hands. The page under test notices nothing: it calls getUserMedia and RTCPeerConnection as ever.
(() => {
  const MAX_RECORDED_CHUNKS = 12_000; // 120 s of 10 ms chunks for each connection
  const peers = [];

  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...args) {
      super(...args);
      const peer = { connection: this, recording: false, rate: 48_000, chunks: [], ears: [] };
      peers.push(peer);
      this.addEventListener("track", ({ track }) => {
        if (track.kind === "audio") void record(peer, track);
      });
    }
  };

  async function record(peer, track) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      pass(peer, value);
      if (peer.recording && peer.chunks.length < MAX_RECORDED_CHUNKS) {
        const samples = new Float32Array(value.numberOfFrames);
        value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
        peer.rate = value.sampleRate;
        peer.chunks.push(samples);
      }
      value.close();
    }
  }

  const EAR_RATE = 8_000;
  const EAR_CHUNK = EAR_RATE / 20;

  /** Hands what is heard to the test as it comes, if the test has ears on this peer: 16-bit, 8 kHz, 50 ms at a time. */
  function pass(peer, audio) {
    if (window.testEars === undefined) return;
    const samples = new Float32Array(audio.numberOfFrames);
    audio.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    // Telephone-band tests have nothing above 4 kHz, so that leaving samples out loses nothing.
    const step = audio.sampleRate / EAR_RATE;
    for (let at = 0; at < samples.length; at += step)
      peer.ears.push(Math.max(-32_768, Math.min(32_767, Math.round(samples[Math.floor(at)] * 32_768))));
    if (peer.ears.length < EAR_CHUNK) return;
    window.testEars(peers.indexOf(peer), base64(Int16Array.from(peer.ears)));
    peer.ears = [];
  }

  let microphone;
  function openMicrophone() {
    if (microphone === undefined) {
      const context = new AudioContext({ sampleRate: 48_000 });
      microphone = { context, output: context.createMediaStreamDestination() };
      // A real microphone goes on while nobody speaks.
      const room = context.createConstantSource();
      room.offset.value = 0;
      room.connect(microphone.output);
      room.start();
    }
    void microphone.context.resume();
    return microphone;
  }

  const realDevices = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints = {}) => {
    const tracks = [];
    // A clone, so that a page that stops its track does not silence the next one.
    if (constraints.audio) tracks.push(openMicrophone().output.stream.getAudioTracks()[0].clone());
    if (constraints.video) tracks.push(...(await realDevices({ video: constraints.video })).getTracks());
    return new MediaStream(tracks);
  };

  const speaking = new Set();

  /** Plays what `build` connects to the microphone and resolves when it has ended. */
  function speak(build) {
    const { context, output } = openMicrophone();
    return new Promise((resolve) => {
      const source = build(context, output);
      speaking.add(source);
      source.onended = () => {
        speaking.delete(source);
        source.disconnect();
        resolve();
      };
    });
  }

  const peerAt = (index) => {
    const peer = peers.at(index);
    if (peer === undefined) throw new Error(`there is no peer connection ${index}`);
    return peer;
  };

  function base64(samples) {
    const bytes = new Uint8Array(samples.buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000)
      text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(text);
  }

  window.testMedia = {
    startRecording(index) {
      const peer = peerAt(index);
      peer.chunks = [];
      peer.recording = true;
    },
    stopRecording(index) {
      const peer = peerAt(index);
      peer.recording = false;
      const samples = new Float32Array(peer.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      let at = 0;
      for (const chunk of peer.chunks) {
        samples.set(chunk, at);
        at += chunk.length;
      }
      peer.chunks = [];
      return { rate: peer.rate, base64: base64(samples) };
    },
    playTone({ hz, ms, peak }) {
      return speak((context, output) => {
        const [tone, gain] = [context.createOscillator(), context.createGain()];
        tone.frequency.value = hz;
        gain.gain.value = peak;
        tone.connect(gain).connect(output);
        tone.start();
        tone.stop(context.currentTime + ms / 1_000);
        return tone;
      });
    },
    playSamples({ samples, rate }) {
      return speak((context, output) => {
        const buffer = context.createBuffer(1, samples.length, rate);
        buffer.copyToChannel(Float32Array.from(samples), 0);
        const source = context.createBufferSource();
        source.buffer = buffer;
        source.connect(output);
        source.start();
        return source;
      });
    },
    /** Ends whatever is spoken into the microphone. */
    hush() {
      for (const source of speaking) source.stop();
    },
    async framesDecoded(index) {
      const frames = {};
      for (const [, entry] of await peerAt(index).connection.getStats())
        if (entry.type === "inbound-rtp" && entry.kind === "video")
          frames[entry.mid] = entry.framesDecoded ?? 0;
      return frames;
    },
    connectionState: (index) => peerAt(index).connection.connectionState,
    peerCount: () => peers.length,
  };

  // Remote audio is decoded only while something plays it.
  window.testMedia.listen = (track) => {
    const element = document.createElement("audio");
    element.autoplay = true;
    element.srcObject = new MediaStream([track]);
    document.body.append(element);
  };
})();
