"""HubSpot: records of CRM objects, read through the official client package."""
