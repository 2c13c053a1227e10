UPDATE manifest SET value = '1000000000' WHERE key = 'descriptor_dim';
