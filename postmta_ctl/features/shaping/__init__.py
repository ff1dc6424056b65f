"""Rules of traffic shaping: limits towards providers and domains, of the installation or of one organization."""
